package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/apiserver/pkg/storage/value"
)

type request struct {
	ID int    `json:"id"`
	Op string `json:"op"`
	// Where objects of the kind lie, behind the prefix of all: `/pods`.
	Prefix     string `json:"prefix"`
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// As encryption names it.
	Resource string `json:"resource"`
	// Behind the prefix: `default/a`.
	Name            string                 `json:"name"`
	Object          json.RawMessage        `json:"object"`
	TTL             uint64                 `json:"ttl"`
	Preconditions   *storage.Preconditions `json:"preconditions"`
	ResourceVersion string                 `json:"resourceVersion"`
	// Of `count`: how often, and of `update`: an annotation's value.
	Times int    `json:"times"`
	Value string `json:"value"`
}

type answer struct {
	ID              int               `json:"id"`
	Error           string            `json:"error,omitempty"`
	Object          json.RawMessage   `json:"object,omitempty"`
	Items           []json.RawMessage `json:"items,omitempty"`
	ResourceVersion string            `json:"resourceVersion,omitempty"`
	Event           string            `json:"event,omitempty"`
}

// kind is one kind's storage.
type kind struct {
	form
	storage.Interface
	prefix string
}

type server struct {
	etcd       string
	prefix     string
	encryption value.ResourceTransformers
	mu         sync.Mutex
	kinds      map[string]*kind
	out        *json.Encoder
	outMu      sync.Mutex
}

func serveStore(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("store", flag.ContinueOnError)
	etcd := flags.String("etcd", "", "URL of etcd")
	prefix := flags.String("prefix", "/registry", "what all keys begin with")
	encryption := flags.String("encryption", "", "file of an EncryptionConfiguration")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s := &server{etcd: *etcd, prefix: *prefix, kinds: map[string]*kind{}, out: json.NewEncoder(os.Stdout)}
	if *encryption != "" {
		config, err := encryptionconfig.LoadEncryptionConfig(ctx, *encryption, false, "interop")
		if err != nil {
			return err
		}
		s.encryption = encryptionconfig.StaticTransformers(config.Transformers)
	}
	var running sync.WaitGroup
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return err
		}
		running.Go(func() {
			a, err := s.do(ctx, r)
			if err != nil {
				a.Error = err.Error()
			}
			s.tell(r, a)
		})
	}
	return lines.Err()
}

func (s *server) tell(r request, a answer) {
	a.ID = r.ID
	s.outMu.Lock()
	defer s.outMu.Unlock()
	if err := s.out.Encode(a); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// kindOf opens the storage as kube-apiserver's factory does, with the transformer of the resource.
func (s *server) kindOf(r request) (*kind, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Prefix + " " + r.APIVersion + " " + r.Kind
	if k := s.kinds[id]; k != nil {
		return k, nil
	}
	gvk := schema.FromAPIVersionAndKind(r.APIVersion, r.Kind)
	f, err := formOf(gvk)
	if err != nil {
		return nil, err
	}
	config := storagebackend.NewDefaultConfig(s.prefix, f.codec)
	config.Transport.ServerList = []string{s.etcd}
	config.CompactionInterval = 0
	group := schema.ParseGroupResource(r.Resource)
	if s.encryption != nil {
		config.Transformer = s.encryption.TransformerForResource(group)
	}
	opened, _, err := factory.Create(*config.ForResource(group), f.newOne, f.newList, r.Prefix)
	if err != nil {
		return nil, err
	}
	k := &kind{form: f, Interface: opened, prefix: r.Prefix}
	s.kinds[id] = k
	return k, nil
}

func (s *server) do(ctx context.Context, r request) (answer, error) {
	k, err := s.kindOf(r)
	if err != nil {
		return answer{}, err
	}
	key := k.prefix + "/" + r.Name
	out := k.newOne()
	switch r.Op {
	case "create":
		object, err := k.read(r.Object)
		if err != nil {
			return answer{}, err
		}
		if err := k.Create(ctx, key, object, out, r.TTL); err != nil {
			return answer{}, err
		}
	case "get":
		if err := k.Get(ctx, key, storage.GetOptions{}, out); err != nil {
			return answer{}, err
		}
	case "update":
		if err := k.annotate(ctx, key, out, r.Preconditions, func(string) string { return r.Value }); err != nil {
			return answer{}, err
		}
	case "count":
		for range r.Times {
			out = k.newOne()
			if err := k.annotate(ctx, key, out, nil, oneMore); err != nil {
				return answer{}, err
			}
		}
	case "delete":
		err := k.Delete(ctx, key, out, r.Preconditions, storage.ValidateAllObjectFunc, nil, storage.DeleteOptions{})
		if err != nil {
			return answer{}, err
		}
	case "list":
		return k.list(ctx, key)
	case "watch":
		return answer{}, s.watch(ctx, k, key, r)
	default:
		return answer{}, fmt.Errorf("no such operation: %q", r.Op)
	}
	text, err := k.show(out)
	return answer{Object: text}, err
}

const annotation = "k8ts.dev/go"

func oneMore(before string) string {
	count, _ := strconv.Atoi(before)
	return strconv.Itoa(count + 1)
}

// annotate changes one annotation of the object, by compare-and-write until it succeeds.
func (k *kind) annotate(ctx context.Context, key string, out runtime.Object, only *storage.Preconditions, change func(string) string) error {
	update := func(input runtime.Object, _ storage.ResponseMeta) (runtime.Object, *uint64, error) {
		object, err := meta.Accessor(input)
		if err != nil {
			return nil, nil, err
		}
		all := map[string]string{}
		for name, value := range object.GetAnnotations() {
			all[name] = value
		}
		all[annotation] = change(all[annotation])
		object.SetAnnotations(all)
		return input, nil, nil
	}
	return k.GuaranteedUpdate(ctx, key, out, false, only, update, nil)
}

func (k *kind) list(ctx context.Context, key string) (answer, error) {
	list := k.newList()
	options := storage.ListOptions{Predicate: storage.Everything, Recursive: true}
	if err := k.GetList(ctx, key, options, list); err != nil {
		return answer{}, err
	}
	found := answer{}
	accessor, err := meta.ListAccessor(list)
	if err != nil {
		return answer{}, err
	}
	found.ResourceVersion = accessor.GetResourceVersion()
	err = meta.EachListItem(list, func(object runtime.Object) error {
		text, err := k.show(object)
		found.Items = append(found.Items, text)
		return err
	})
	return found, err
}

// watch tells of each event, until the program ends.
func (s *server) watch(ctx context.Context, k *kind, key string, r request) error {
	options := storage.ListOptions{
		ResourceVersion: r.ResourceVersion, Predicate: storage.Everything, Recursive: true,
	}
	events, err := k.Watch(ctx, key, options)
	if err != nil {
		return err
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		text, err := k.show(event.Object)
		if err != nil {
			return err
		}
		s.tell(r, answer{Event: string(event.Type), Object: text})
	}
	return nil
}
