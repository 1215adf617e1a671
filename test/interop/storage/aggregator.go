package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/pflag"
	definitionsserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	definitionoptions "k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	apiopenapi "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/filters"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/apiserver/pkg/util/proxy"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/kube-aggregator/pkg/apiserver"
	"k8s.io/kube-aggregator/pkg/apiserver/scheme"
	"k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
	aggregator "k8s.io/kube-aggregator/pkg/cmd/server"
	"k8s.io/kube-aggregator/pkg/controllers/autoregister"
	"k8s.io/kube-aggregator/pkg/generated/openapi"
)

// What the aggregator serves itself.
var own = &apiregistration.APIService{
	ObjectMeta: metav1.ObjectMeta{Name: "v1.apiextensions.k8s.io"},
	Spec: apiregistration.APIServiceSpec{
		Group: "apiextensions.k8s.io", Version: "v1", GroupPriorityMinimum: 16700, VersionPriority: 15,
	},
}

// serveAggregator runs kube-aggregator before apiextensions-apiserver, as kube-apiserver does. Services are led to one of
// their endpoints, and connections to an address of `--dial FROM=TO` go elsewhere.
func serveAggregator(ctx context.Context, args []string) error {
	o := aggregator.NewDefaultOptions(os.Stdout, os.Stderr)
	flags := pflag.NewFlagSet("aggregator", pflag.ContinueOnError)
	o.AddFlags(flags)
	dial := flags.StringToString("dial", nil, "where a connection really goes, by its address")
	behindPort := flags.String("definitions-port", "", "a port of its own for apiextensions-apiserver")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := o.Complete(); err != nil {
		return err
	}
	if err := o.Validate(nil); err != nil {
		return err
	}
	config, err := aggregatorConfig(o)
	if err != nil {
		return err
	}
	definitions, err := behind(config, args, *behindPort)
	if err != nil {
		return err
	}
	informers := config.SharedInformerFactory
	slices, err := proxy.NewEndpointSliceIndexerGetter(informers.Discovery().V1().EndpointSlices())
	if err != nil {
		return err
	}
	complete := (&apiserver.Config{
		GenericConfig: config,
		ExtraConfig: apiserver.ExtraConfig{
			ProxyClientCertFile:       o.ProxyClientCertFile,
			ProxyClientKeyFile:        o.ProxyClientKeyFile,
			ProxyTransport:            transportTo(*dial),
			ServiceResolver:           apiserver.NewEndpointServiceResolver(informers.Core().V1().Services().Lister(), slices),
			RejectForwardingRedirects: true,
		},
	}).Complete()
	server, err := complete.NewWithDelegate(definitions.GenericAPIServer)
	if err != nil {
		return err
	}
	if err := registerOwn(server, config); err != nil {
		return err
	}
	prepared, err := server.PrepareRun()
	if err != nil {
		return err
	}
	return prepared.Run(ctx)
}

func aggregatorConfig(o *aggregator.AggregatorOptions) (*genericapiserver.RecommendedConfig, error) {
	config := genericapiserver.NewRecommendedConfig(scheme.Codecs)
	config.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()
	if err := o.ServerRunOptions.ApplyTo(&config.Config); err != nil {
		return nil, err
	}
	if err := o.RecommendedOptions.ApplyTo(config); err != nil {
		return nil, err
	}
	if err := o.APIEnablement.ApplyTo(&config.Config, apiserver.DefaultAPIResourceConfigSource(), scheme.Scheme); err != nil {
		return nil, err
	}
	config.LongRunningFunc = filters.BasicLongRunningRequestCheck(
		sets.NewString("watch", "proxy"), sets.NewString("attach", "exec", "proxy", "log", "portforward"))
	namer := apiopenapi.NewDefinitionNamer(scheme.Scheme, definitionsserver.Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIConfig.Info.Title = "Kubernetes"
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIV3Config.Info.Title = "Kubernetes"
	return config, nil
}

func behind(front *genericapiserver.RecommendedConfig, args []string, port string) (*definitionsserver.CustomResourceDefinitions, error) {
	o := definitionoptions.NewCustomResourceDefinitionsServerOptions(os.Stdout, os.Stderr)
	flags := pflag.NewFlagSet("definitions", pflag.ContinueOnError)
	flags.ParseErrorsWhitelist.UnknownFlags = true
	o.AddFlags(flags)
	if err := flags.Parse(append(args, "--secure-port="+port)); err != nil {
		return nil, err
	}
	config, err := o.Config()
	if err != nil {
		return nil, err
	}
	config.GenericConfig.SecureServing = front.SecureServing
	config.GenericConfig.LoopbackClientConfig = front.LoopbackClientConfig
	config.GenericConfig.AggregatedDiscoveryGroupManager = front.AggregatedDiscoveryGroupManager
	// The server before it has them too.
	for name := range front.PostStartHooks {
		delete(config.GenericConfig.PostStartHooks, name)
	}
	return config.Complete().New(genericapiserver.NewEmptyDelegate())
}

func registerOwn(server *apiserver.APIAggregator, config *genericapiserver.RecommendedConfig) error {
	client, err := clientset.NewForConfig(config.LoopbackClientConfig)
	if err != nil {
		return err
	}
	services := server.APIRegistrationInformers.Apiregistration().V1().APIServices()
	registration := autoregister.NewAutoRegisterController(services, client.ApiregistrationV1())
	registration.AddAPIServiceToSyncOnStart(own)
	return server.GenericAPIServer.AddPostStartHook("autoregister", func(hook genericapiserver.PostStartHookContext) error {
		go registration.Run(1, hook.Done())
		return nil
	})
}

func transportTo(addresses map[string]string) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			to := address
			if known, ok := addresses[address]; ok {
				to = known
			}
			connection, err := (&net.Dialer{}).DialContext(ctx, network, to)
			if err != nil {
				return nil, fmt.Errorf("%s", strings.ReplaceAll(err.Error(), to, address))
			}
			return connection, nil
		},
	}
}
