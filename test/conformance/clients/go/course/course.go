// Package course holds what the clients in Go share: how a scenario of features.ts is asked for and answered, and the courses of those that take
// several steps, given each client's way to do a step.
package course

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// Record is SentRecord of features.ts.
type Record struct {
	Key         string      `json:"key"`
	Value       string      `json:"value"`
	Headers     [][2]string `json:"headers"`
	TimestampMs int64       `json:"timestamp"`
}

// Compression is what the scenario of that name is given.
type Compression struct {
	Codec  string   `json:"codec"`
	Values []string `json:"values"`
}

// Outcome is that of features.ts.
type Outcome struct {
	Ends   string   `json:"ends"`
	Values []string `json:"values"`
	Offset int64    `json:"offset"`
}

// Broker and Name are the address, and topic, group and transactional id of the scenario.
var Broker, Name string

// Run answers the scenario that the command line asks for, as JSON: BROKER SCENARIO NAME GIVEN.
func Run(module string, scenarios map[string]func(given []byte) any) {
	Broker, Name = os.Args[1], os.Args[3]
	scenarios["version"] = func([]byte) any { return version(module) }
	scenario, isKnown := scenarios[os.Args[2]]
	if !isKnown {
		panic("there is no scenario " + os.Args[2])
	}
	answer, err := json.Marshal(scenario([]byte(os.Args[4])))
	Check(err)
	fmt.Println(string(answer))
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, each := range info.Deps {
		if each.Path == module {
			return each.Version
		}
	}
	return "of no known version"
}

// Check ends the program with an error.
func Check(err error) {
	if err != nil {
		panic(err)
	}
}

// Given decodes what a scenario is given.
func Given[T any](given []byte) (value T) {
	Check(json.Unmarshal(given, &value))
	return value
}

// Each converts all of them; none are an empty list, not null.
func Each[From, To any](items []From, convert func(item From) To) []To {
	converted := []To{}
	for _, item := range items {
		converted = append(converted, convert(item))
	}
	return converted
}

// Until waits for a condition.
func Until(what string, condition func() bool) {
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			panic("never happened: " + what)
		}
	}
}

// Read collects what members of a group have read.
type Read struct {
	mutex  sync.Mutex
	values []string
}

// Add takes one more.
func (read *Read) Add(value string) {
	read.mutex.Lock()
	defer read.mutex.Unlock()
	read.values = append(read.values, value)
}

// Values is a copy of them.
func (read *Read) Values() []string {
	read.mutex.Lock()
	defer read.mutex.Unlock()
	return append([]string{}, read.values...)
}

func (read *Read) distinct() int {
	seen := map[string]bool{}
	for _, value := range read.Values() {
		seen[value] = true
	}
	return len(seen)
}

// Member is one of a group.
type Member interface {
	// Partitions is how many it has now.
	Partitions() int
	// Stop leaves the group.
	Stop()
}

// Rebalance lets two members share, and one of them leave.
func Rebalance(given []byte, open func(read *Read) Member, send func(values []string)) any {
	values := Given[[]string](given)
	half := len(values) / 2
	read := &Read{}
	first, second := open(read), open(read)
	Until("two partitions each", func() bool { return first.Partitions() == 2 && second.Partitions() == 2 })
	send(values[:half])
	Until("the first half", func() bool { return read.distinct() == half })
	together := []int{first.Partitions(), second.Partitions()}
	second.Stop()
	Until("all partitions", func() bool { return first.Partitions() == 4 })
	alone := first.Partitions()
	send(values[half:])
	Until("the second half", func() bool { return read.distinct() == len(values) })
	first.Stop()
	return map[string]any{"together": together, "alone": alone, "read": read.Values()}
}

// Resume lets a member read 60 values, commit and leave, and another one the rest.
func Resume(given []byte, send func(values []string), take func(count int) []string) any {
	values := Given[[]string](given)
	send(values[:60])
	first := take(60)
	send(values[60:])
	return map[string]any{"first": first, "then": take(len(values) - 60)}
}

// Topic is how a client administers one; Partitions says 0 of a topic that is not listed.
type Topic struct {
	Create, AddPartition, Alter, Remove func()
	Partitions                          func() int
	Retention                           func() string
}

// Administer makes a topic, changes it, and removes it.
func Administer(topic Topic) any {
	topic.Create()
	Until("the topic", func() bool { return topic.Partitions() == 2 })
	partitions, retention := []int{topic.Partitions()}, []string{topic.Retention()}
	listed := []bool{topic.Partitions() > 0}
	topic.AddPartition()
	topic.Alter()
	Until("the changes", func() bool { return topic.Partitions() == 3 && topic.Retention() == "54321" })
	partitions, retention = append(partitions, topic.Partitions()), append(retention, topic.Retention())
	topic.Remove()
	Until("the end of the topic", func() bool { return topic.Partitions() == 0 })
	listed = append(listed, topic.Partitions() > 0)
	return map[string]any{"partitions": partitions, "retention": retention, "listed": listed}
}
