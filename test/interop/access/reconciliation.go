package main

import (
	"encoding/json"

	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/auth/rbac/reconciliation"
)

// ReconciliationCase is a role or binding that is to have at least what another has.
type ReconciliationCase struct {
	Kind      string          `json:"kind"`
	Existing  json.RawMessage `json:"existing"`
	Wanted    json.RawMessage `json:"wanted"`
	Operation string          `json:"operation"`
	Result    any             `json:"result,omitempty"`
}

type mod struct{ existing *rbac.ClusterRole }

func (m mod) Get(_, _ string) (reconciliation.RuleOwner, error) {
	return reconciliation.ClusterRoleRuleOwner{ClusterRole: m.existing.DeepCopy()}, nil
}
func (m mod) Create(in reconciliation.RuleOwner) (reconciliation.RuleOwner, error) { return in, nil }
func (m mod) Update(in reconciliation.RuleOwner) (reconciliation.RuleOwner, error) { return in, nil }

type bmod struct{ existing *rbac.ClusterRoleBinding }

func (m bmod) Get(_, _ string) (reconciliation.RoleBinding, error) {
	return reconciliation.ClusterRoleBindingAdapter{ClusterRoleBinding: m.existing.DeepCopy()}, nil
}
func (m bmod) Create(in reconciliation.RoleBinding) (reconciliation.RoleBinding, error) {
	return in, nil
}
func (m bmod) Update(in reconciliation.RoleBinding) (reconciliation.RoleBinding, error) {
	return in, nil
}
func (m bmod) Delete(string, string, types.UID) error { return nil }

func decode[T any](raw json.RawMessage) *T {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		panic(err)
	}
	return &v
}

func (c *ReconciliationCase) answer() {
	c.Result = nil
	if c.Kind == "role" {
		owner := reconciliation.ClusterRoleRuleOwner{ClusterRole: decode[rbac.ClusterRole](c.Wanted)}
		r, err := (&reconciliation.ReconcileRoleOptions{Role: owner, Confirm: true, Client: mod{decode[rbac.ClusterRole](c.Existing)}}).Run()
		if err != nil {
			panic(err)
		}
		c.Operation = string(r.Operation)
		if r.Operation == reconciliation.ReconcileUpdate {
			c.Result = r.Role.GetObject()
		}
		return
	}
	binding := reconciliation.ClusterRoleBindingAdapter{ClusterRoleBinding: decode[rbac.ClusterRoleBinding](c.Wanted)}
	r, err := (&reconciliation.ReconcileRoleBindingOptions{RoleBinding: binding, Confirm: true, Client: bmod{decode[rbac.ClusterRoleBinding](c.Existing)}}).Run()
	if err != nil {
		panic(err)
	}
	c.Operation = string(r.Operation)
	if r.Operation == reconciliation.ReconcileUpdate {
		c.Result = r.RoleBinding.GetObject()
	}
}
