// Package v1 has the name that a type of memory has in the text a sum is made of.
package v1

type ResourceName string
