package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var groupVersion = schema.GroupVersion{Group: "sea.example", Version: "v1"}

// Fleet is what the operator looks after: a deployment of so many ships.
type Fleet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              FleetSpec   `json:"spec,omitempty"`
	Status            FleetStatus `json:"status,omitempty"`
}

// FleetSpec names a config map the ships sail by.
type FleetSpec struct {
	Ships int32  `json:"ships,omitempty"`
	Flag  string `json:"flag,omitempty"`
	Chart string `json:"chart,omitempty"`
}

type FleetStatus struct {
	Ready              int32              `json:"ready,omitempty"`
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

type FleetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Fleet `json:"items"`
}

func (f *Fleet) deepCopy() *Fleet {
	out := *f
	out.ObjectMeta = *f.ObjectMeta.DeepCopy()
	out.Status.Conditions = nil
	for _, c := range f.Status.Conditions {
		out.Status.Conditions = append(out.Status.Conditions, *c.DeepCopy())
	}
	return &out
}

func (f *Fleet) DeepCopyObject() runtime.Object { return f.deepCopy() }

func (l *FleetList) DeepCopyObject() runtime.Object {
	out := *l
	out.Items = nil
	for i := range l.Items {
		out.Items = append(out.Items, *l.Items[i].deepCopy())
	}
	return &out
}

func addFleet(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(groupVersion, &Fleet{}, &FleetList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
	return nil
}
