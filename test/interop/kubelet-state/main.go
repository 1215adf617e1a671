// Writes state files with the sums that Kubernetes' hash of objects gives them, one a line:
//
//	go run . > ../../../src/kubelet/state/testdata/state-files.txt
package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"

	"k8s.io/apimachinery/pkg/util/dump"
	"k8ts.dev/test/interop/kubelet-state/checksum"
	"k8ts.dev/test/interop/kubelet-state/state"
	"k8ts.dev/test/interop/kubelet-state/v1"
)

func sum(object any) checksum.Checksum {
	hash := fnv.New32a()
	fmt.Fprintf(hash, "%v", dump.ForHash(object))
	return checksum.Checksum(hash.Sum32())
}

func write(object any) {
	text, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func main() {
	type entries = map[string]map[string]string
	for _, c := range []state.CPUManagerCheckpoint{
		{PolicyName: "none", Entries: entries{}},
		{PolicyName: "static", DefaultCPUSet: "0-127", Entries: entries{}},
		{PolicyName: "static", DefaultCPUSet: "0,9-11", Entries: entries{"b": {"z": "1", "a": "2,4"}, "a-b": {"c": "5-8"}}},
	} {
		c.Checksum = sum(&c)
		write(c)
	}
	tables := func(memory, pages state.MemoryTable) map[v1.ResourceName]*state.MemoryTable {
		return map[v1.ResourceName]*state.MemoryTable{"memory": &memory, "hugepages-1Gi": &pages}
	}
	machine := state.NUMANodeMap{}
	for id := range 11 {
		machine[id] = &state.NUMANodeState{MemoryMap: tables(state.MemoryTable{1 << 40, 1, 2, 3, 4}, state.MemoryTable{}), Cells: []int{id}}
	}
	machine[1].NumberOfAssignments = 2
	machine[1].Cells = []int{0, 1}
	for _, c := range []state.MemoryManagerCheckpoint{
		{PolicyName: "None", MachineState: state.NUMANodeMap{}, Entries: state.ContainerMemoryAssignments{}},
		{PolicyName: "Static", MachineState: machine, Entries: state.ContainerMemoryAssignments{}},
		{PolicyName: "Static", MachineState: machine, Entries: state.ContainerMemoryAssignments{
			"u": {"c": {{[]int{0, 1}, "memory", 161061273600}, {[]int{2}, "hugepages-1Gi", 1 << 30}}, "b": {}},
		}},
	} {
		c.Checksum = sum(&c)
		write(c)
	}
}
