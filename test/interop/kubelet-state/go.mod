module k8ts.dev/test/interop/kubelet-state

go 1.26.0

require k8s.io/apimachinery v0.36.2

require (
	github.com/davecgh/go-spew v1.1.2-0.20180830191138-d8f796af33cc // indirect
	k8s.io/utils v0.0.0-20260210185600-b8788abfbbc2 // indirect
)
