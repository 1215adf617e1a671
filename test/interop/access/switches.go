package main

import (
	"encoding/json"
	"os"
	"sort"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/options"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/apiserver/pkg/util/compatibility"
	kinds "k8s.io/client-go/kubernetes/scheme"
	basecompatibility "k8s.io/component-base/compatibility"
	"k8s.io/component-base/featuregate"
)

// Switches are values of --feature-gates or of --runtime-config, and what they make other than it is by default.
type Switches struct {
	Gates   []string `json:"gates,omitempty"`
	Config  []string `json:"config,omitempty"`
	Changed []string `json:"changed"`
	Error   string   `json:"error"`
}

const facts = "../../../src/api/fact/"

func readFacts(name string, into any) {
	bytes, err := os.ReadFile(facts + name)
	if err != nil {
		panic(err)
	}
	if err := json.Unmarshal(bytes, into); err != nil {
		panic(err)
	}
}

func gatesOfFacts() (featuregate.MutableVersionedFeatureGate, []featuregate.Feature) {
	var read struct {
		Gates []struct {
			N    string   `json:"n"`
			Hist [][]any  `json:"hist"`
			Deps []string `json:"deps"`
		} `json:"gates"`
	}
	readFacts("featuregates.json", &read)
	gates := featuregate.NewVersionedFeatureGate(version.MustParse("1.36"))
	specs := map[featuregate.Feature]featuregate.VersionedSpecs{}
	deps := map[featuregate.Feature][]featuregate.Feature{}
	names := []featuregate.Feature{}
	for _, g := range read.Gates {
		if g.N == "AllAlpha" || g.N == "AllBeta" {
			continue
		}
		name := featuregate.Feature(g.N)
		names = append(names, name)
		for _, h := range g.Hist {
			spec := featuregate.FeatureSpec{
				Version:       version.MustParse(h[0].(string)),
				Default:       h[1].(float64) == 1,
				LockToDefault: len(h) > 3,
			}
			switch h[2] {
			case "alpha":
				spec.PreRelease = featuregate.Alpha
			case "beta":
				spec.PreRelease = featuregate.Beta
			case "deprecated":
				spec.PreRelease = featuregate.Deprecated
			}
			specs[name] = append(specs[name], spec)
		}
		for _, d := range g.Deps {
			deps[name] = append(deps[name], featuregate.Feature(d))
		}
	}
	if err := gates.AddVersioned(specs); err != nil {
		panic(err)
	}
	if err := gates.AddDependencies(deps); err != nil {
		panic(err)
	}
	return gates, names
}

func switchGates(c *Switches) {
	gates, names := gatesOfFacts()
	usual := map[featuregate.Feature]bool{}
	for _, n := range names {
		usual[n] = gates.Enabled(n)
	}
	registry := basecompatibility.NewComponentGlobalsRegistry()
	if err := registry.Register("kube", basecompatibility.NewEffectiveVersionFromString("1.36", "1.35", "1.33"), gates); err != nil {
		panic(err)
	}
	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	registry.AddFlags(flags)
	for _, g := range c.Gates {
		if err := flags.Set("feature-gates", g); err != nil {
			panic(err)
		}
	}
	if err := registry.Set(); err != nil {
		c.Error = err.Error()
		return
	}
	for _, n := range names {
		if gates.Enabled(n) != usual[n] {
			c.Changed = append(c.Changed, string(n))
		}
	}
}

func switchKinds(c *Switches) {
	var read struct {
		Groups []struct {
			G        string  `json:"g"`
			Versions [][]any `json:"versions"`
		} `json:"groups"`
		Resources []struct {
			G, V, R string
		} `json:"resources"`
	}
	readFacts("resources.json", &read)
	usual := serverstorage.NewResourceConfig()
	for _, g := range read.Groups {
		for _, v := range g.Versions {
			gv := schema.GroupVersion{Group: g.G, Version: v[0].(string)}
			if v[1] == true || v[1] == float64(1) {
				usual.EnableVersions(gv)
			} else {
				usual.DisableVersions(gv)
			}
		}
	}
	// What is merged into is changed.
	before := map[schema.GroupVersionResource]bool{}
	for _, r := range read.Resources {
		gvr := schema.GroupVersionResource{Group: r.G, Version: r.V, Resource: r.R}
		before[gvr] = usual.ResourceEnabled(gvr)
	}
	o := options.NewAPIEnablementOptions()
	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	o.AddFlags(flags)
	for _, text := range c.Config {
		if err := flags.Set("runtime-config", text); err != nil {
			panic(err)
		}
	}
	if errs := o.Validate(kinds.Scheme); len(errs) > 0 {
		c.Error = errs[0].Error()
		return
	}
	config := &genericapiserver.Config{EffectiveVersion: compatibility.DefaultBuildEffectiveVersion()}
	if err := o.ApplyTo(config, usual, kinds.Scheme); err != nil {
		c.Error = err.Error()
		return
	}
	for _, r := range read.Resources {
		gvr := schema.GroupVersionResource{Group: r.G, Version: r.V, Resource: r.R}
		// Extensions have servers of their own.
		if kinds.Scheme.IsGroupRegistered(r.G) && config.MergedResourceConfig.ResourceEnabled(gvr) != before[gvr] {
			c.Changed = append(c.Changed, r.G+"/"+r.V+"/"+r.R)
		}
	}
}

func (c *Switches) answer() {
	c.Changed, c.Error = []string{}, ""
	if c.Gates != nil {
		switchGates(c)
	} else {
		switchKinds(c)
	}
	sort.Strings(c.Changed)
}
