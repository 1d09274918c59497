// SPDX-License-Identifier: Apache-2.0

// Command clients runs the steps of the client matrix with one Kafka library for Go, named on the command
// line, and prints one JSON object per step. What a step asks of a library stands in driver.go, the steps in
// steps.go; BOOTSTRAP, SASL_USER, SASL_TOKEN, PREFIX, RUN and READONLY come from the environment.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"
)

// Longer than any step needs on a busy machine; a step that has not ended by then has failed.
const stepLimit = 90 * time.Second

var drivers = map[string]func(access) (driver, error){
	"franz-go":     newFranz,
	"sarama":       newSaramaMax,
	"sarama-2.1.0": newSaramaOld,
	"kafka-go":     newSegmentio,
}

// modules are the libraries' names in go.mod.
var modules = map[string]string{
	"franz-go":     "github.com/twmb/franz-go",
	"sarama":       "github.com/IBM/sarama",
	"sarama-2.1.0": "github.com/IBM/sarama",
	"kafka-go":     "github.com/segmentio/kafka-go",
}

// access is how the cluster or the gateway is reached.
type access struct {
	brokers     []string
	user, token string
}

func (a access) secured() bool { return a.token != "" }

type result struct {
	Step        string `json:"step"`
	Outcome     any    `json:"outcome,omitempty"`
	Unsupported string `json:"unsupported,omitempty"`
}

// unsupported is the error of a step that a library has no call for.
type unsupported string

func (u unsupported) Error() string { return string(u) }

// names maps between the names that the program uses and those on the wire.
type names struct{ prefix, run string }

func (n names) of(what string) string {
	return n.prefix + n.run + "-" + what
}

// own keeps the names of this run, as they are printed: without the prefix, the run's word replaced.
func (n names) own(all []string) []string {
	mine := []string{}
	for _, name := range all {
		if strings.HasPrefix(name, n.of("")) {
			mine = append(mine, n.shown(name))
		}
	}
	sort.Strings(mine)
	return mine
}

func (n names) shown(name string) string {
	return strings.ReplaceAll(strings.TrimPrefix(name, n.prefix), n.run, "RUN")
}

func (w *world) perform(s step) result {
	type answer struct {
		value any
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := s.run(w)
		done <- answer{value, err}
	}()
	select {
	case a := <-done:
		if why, is := a.err.(unsupported); is {
			return result{Step: s.name, Unsupported: string(why)}
		}
		if a.err != nil {
			return result{Step: s.name, Outcome: "failed: " + w.names.shown(errorName(a.err))}
		}
		return result{Step: s.name, Outcome: a.value}
	case <-time.After(stepLimit):
		return result{Step: s.name, Outcome: fmt.Sprintf("failed: no end within %v", stepLimit)}
	}
}

func main() {
	if len(os.Args) != 2 || drivers[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: clients franz-go|sarama|sarama-2.1.0|kafka-go")
		os.Exit(2)
	}
	a := access{strings.Split(os.Getenv("BOOTSTRAP"), ","), os.Getenv("SASL_USER"), os.Getenv("SASL_TOKEN")}
	d, err := drivers[os.Args[1]](a)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	w := newWorld(d, modules[os.Args[1]], names{os.Getenv("PREFIX"), os.Getenv("RUN")}, os.Getenv("READONLY"))
	out := json.NewEncoder(os.Stdout)
	for _, s := range steps {
		if s.name != "denied" || w.readonly != "" {
			out.Encode(w.perform(s))
		}
	}
}
