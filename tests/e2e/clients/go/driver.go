// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
)

// How long a single call or a wait within a step may take.
const patience = 30 * time.Second

// The replicas of every topic.
const replicas = 1

// how says how records are produced; the zero value is acks=0 without compression.
type how struct {
	acks       int    // 0, 1 or -1 for all
	codec      string // "", gzip, snappy, lz4 or zstd
	idempotent bool
	big        bool // the client's own limits are out of the way of a large record
}

// record is what a step writes: a value, to a partition.
type record struct {
	partition int
	value     string
}

// driver is what the steps ask of a library. A call that the library lacks returns unsupported.
type driver interface {
	// Versions returns the keys of the APIs that the other side offers.
	Versions() ([]int, error)

	Create(topic string, partitions int) error
	Topics() ([]string, error)
	// Describe returns the number of partitions and of replicas of each.
	Describe(topic string) (int, int, error)
	Config(topic, key string) (string, error)
	AlterConfig(topic, key, value string) error
	AddPartitions(topic string, total int) error
	Delete(topic string) error

	// Produce writes with a producer of its own and returns when all records are acknowledged or sent.
	Produce(topic string, h how, records []record) error
	// Transaction writes each of the lists in a transaction of its own; the second one is aborted.
	Transaction(topic, id string, lists [][]record) error

	// Ends returns the end offset of each of the partitions from 0 on.
	Ends(topic string, partitions int) ([]int64, error)
	// Read returns count values of some partitions, from their beginning.
	Read(topic string, partitions, count int) ([]string, error)
	// ReadCommitted returns what a consumer with read_committed sees of partition 0 up to a value.
	ReadCommitted(topic, last string) ([]string, error)
	// Seek reads one record of a partition, goes to an offset and returns count values from there.
	Seek(topic string, partition int, offset int64, count int) ([]string, error)

	// Join starts a member of a group that reads a topic from the committed offsets or the beginning.
	Join(group, topic string) (member, error)
	Committed(group, topic string, partitions int) ([]int64, error)
	Groups() ([]string, error)
	Group(group string) (description, error)
	DeleteGroup(group string) error
}

// member is a member of a group that reads in the background.
type member interface {
	// Owned returns the partitions assigned now.
	Owned() []int
	// Seen returns all values read so far.
	Seen() []string
	// Commit commits what was read.
	Commit() error
	// Close leaves the group.
	Close() error
}

// lagger is a driver whose library knows the lag itself.
type lagger interface {
	Lag(group, topic string) (int64, error)
}

// description is a group as its coordinator describes it.
type description struct {
	State   string   `json:"state"`
	Members int      `json:"members"`
	Topics  []string `json:"topics"` // in the members' assignments
}

// nameOf is the name that Kafka gives to an error code; franz-go's table has it, with one old name.
func nameOf(code int16) string {
	if code == kerr.NotLeaderForPartition.Code {
		return "NOT_LEADER_OR_FOLLOWER"
	}
	if known, is := kerr.ErrorForCode(code).(*kerr.Error); is {
		return known.Message
	}
	return fmt.Sprintf("error code %d", code)
}

// errorName is Kafka's own name of an error, or the error's text.
func errorName(err error) string {
	var franz *kerr.Error
	var shopify sarama.KError
	var segment kafka.Error
	var many sarama.ProducerErrors
	var writes kafka.WriteErrors
	var large kafka.MessageTooLargeError
	switch {
	case err == nil:
		return "none"
	case errors.As(err, &franz):
		return nameOf(franz.Code)
	case errors.As(err, &many) && len(many) > 0:
		return errorName(many[0].Err)
	case errors.As(err, &shopify):
		return nameOf(int16(shopify))
	case errors.As(err, &writes):
		for _, one := range writes {
			if one != nil {
				return errorName(one)
			}
		}
	case errors.As(err, &large):
		return "too large for the client"
	case errors.As(err, &segment):
		return nameOf(int16(segment))
	}
	return err.Error()
}

// Errors that pass once a change has reached every broker.
var passing = map[string]bool{
	"UNKNOWN_TOPIC_OR_PARTITION": true, "LEADER_NOT_AVAILABLE": true, "NOT_LEADER_OR_FOLLOWER": true,
	"COORDINATOR_NOT_AVAILABLE": true, "NOT_COORDINATOR": true, "COORDINATOR_LOAD_IN_PROGRESS": true,
	"UNKNOWN_TOPIC_ID": true, "NON_EMPTY_GROUP": true, "CONCURRENT_TRANSACTIONS": true,
}

// retried repeats a call while its error is one of those that pass.
func retried(call func() error) error {
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		err := call()
		if err == nil || !passing[errorName(err)] || time.Now().After(end) {
			return err
		}
	}
}

// until waits for a condition; the error says what did not come.
func until(what string, condition func() bool) error {
	for end := time.Now().Add(patience); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("%s did not come within %v", what, patience)
		}
	}
	return nil
}
