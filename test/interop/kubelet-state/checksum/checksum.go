// Package checksum has the name that the sum of a state file has in the text it is made of.
package checksum

type Checksum uint64
