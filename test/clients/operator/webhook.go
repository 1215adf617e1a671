package main

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

type rules struct{}

func addWebhooks(mgr ctrl.Manager) error {
	return builder.WebhookManagedBy(mgr, &Fleet{}).WithDefaulter(rules{}).WithValidator(rules{}).Complete()
}

func (rules) Default(ctx context.Context, fleet *Fleet) error {
	if fleet.Spec.Flag == "" {
		fleet.Spec.Flag = "white"
	}
	return nil
}

func (rules) ValidateCreate(ctx context.Context, fleet *Fleet) (admission.Warnings, error) {
	return verdict(fleet, nil)
}

func (rules) ValidateUpdate(ctx context.Context, old, fleet *Fleet) (admission.Warnings, error) {
	return verdict(fleet, old)
}

func (rules) ValidateDelete(ctx context.Context, fleet *Fleet) (admission.Warnings, error) {
	if fleet.Labels["keep"] != "" {
		return nil, fmt.Errorf("fleet %s is to be kept", fleet.Name)
	}
	return nil, nil
}

func verdict(fleet, old *Fleet) (warnings admission.Warnings, err error) {
	var wrong field.ErrorList
	at := field.NewPath("spec")
	if fleet.Spec.Ships > 100 {
		wrong = append(wrong, field.Invalid(at.Child("ships"), fleet.Spec.Ships, "is more than the sea holds"))
	}
	if old != nil && old.Spec.Flag != fleet.Spec.Flag {
		wrong = append(wrong, field.Forbidden(at.Child("flag"), "is nailed to the mast"))
	}
	if fleet.Spec.Flag == "black" {
		warnings = append(warnings, "a black flag makes no friends")
	}
	if wrong != nil {
		err = apierrors.NewInvalid(schema.GroupKind{Group: groupVersion.Group, Kind: "Fleet"}, fleet.Name, wrong)
	}
	return warnings, err
}
