// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"hash/crc32"
	"math/rand"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

const (
	batch     = 20 // records per produce step
	atFirst   = 3  // partitions at the creation
	atLast    = 4  // and after create-partitions
	retention = "123456789"
)

// APIs that a client of today needs; what else is offered differs between a broker and the gateway.
var core = []int{0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 22, 24, 25, 26, 28, 32, 37, 42, 44}

type world struct {
	driver
	names
	module      string
	readonly    string
	topic, txn  string
	group, pair string
	written     int // records in topic
}

func newWorld(d driver, module string, n names, readonly string) *world {
	return &world{driver: d, names: n, module: module, readonly: readonly, topic: n.of("main"), txn: n.of("txn"),
		group: n.of("group"), pair: n.of("two")}
}

type step struct {
	name string
	run  func(*world) (any, error)
}

var steps = []step{
	{"versions", (*world).versions},
	{"create", (*world).create},
	{"create-again", func(w *world) (any, error) { return expected(w.Create(w.topic, atFirst)) }},
	{"list", (*world).list},
	{"describe", (*world).describe},
	{"describe-config", (*world).describeConfig},
	{"alter-config", func(w *world) (any, error) { return "ok", w.AlterConfig(w.topic, "retention.ms", retention) }},
	{"describe-config-after", (*world).describeConfigAfter},
	{"create-partitions", (*world).createPartitions},
	producing("produce-acks-0", how{acks: 0}),
	producing("produce-acks-1", how{acks: 1}),
	producing("produce-acks-all", how{acks: -1}),
	producing("produce-none", how{acks: -1}),
	producing("produce-gzip", how{acks: -1, codec: "gzip"}),
	producing("produce-snappy", how{acks: -1, codec: "snappy"}),
	producing("produce-lz4", how{acks: -1, codec: "lz4"}),
	producing("produce-zstd", how{acks: -1, codec: "zstd"}),
	producing("produce-idempotent", how{acks: -1, idempotent: true}),
	{"produce-transactional", (*world).transaction},
	{"consume-assign", (*world).consumeAssign},
	{"consume-group", (*world).consumeGroup},
	{"committed", (*world).committed},
	{"lag", (*world).lag},
	{"seek", (*world).seek},
	{"consume-group-two", (*world).consumeGroupTwo},
	{"list-groups", (*world).listGroups},
	{"describe-group", (*world).describeGroup},
	{"delete-group", (*world).deleteGroup},
	{"error-unknown-topic", (*world).unknownTopic},
	{"error-too-large", (*world).tooLarge},
	{"error-illegal-name", func(w *world) (any, error) { return expected(w.Create(w.prefix+w.run+" a b", 1)) }},
	{"denied", func(w *world) (any, error) {
		return expected(w.Produce(w.readonly, how{acks: -1}, []record{{0, "denied"}}))
	}},
	{"delete-topic", (*world).deleteTopic},
	{"list-after", (*world).listAfter},
}

// expected makes an error that a step is after its outcome.
func expected(err error) (any, error) {
	if why, is := err.(unsupported); is {
		return nil, why
	}
	return errorName(err), nil
}

// versions returns the library's version, once the other side has said that it offers what clients need.
func (w *world) versions() (any, error) {
	keys, err := w.Versions()
	if err != nil {
		return nil, err
	}
	for _, key := range core {
		if !slices.Contains(keys, key) {
			return nil, fmt.Errorf("API %d is not offered", key)
		}
	}
	built, _ := debug.ReadBuildInfo()
	for _, module := range built.Deps {
		if module.Path == w.module {
			return strings.TrimPrefix(module.Version, "v"), nil
		}
	}
	return nil, fmt.Errorf("the program was built without %s", w.module)
}

// ready waits until a topic shows with its partitions and each of them has a leader that knows of it.
func (w *world) ready(topic string, partitions int) error {
	err := until(fmt.Sprintf("%s with %d partitions", topic, partitions), func() bool {
		have, _, err := w.Describe(topic)
		return err == nil && have == partitions
	})
	if err != nil {
		return err
	}
	return retried(func() error { _, err := w.Ends(topic, partitions); return err })
}

func (w *world) create() (any, error) {
	if err := w.Create(w.topic, atFirst); err != nil {
		return nil, err
	}
	return "ok", w.ready(w.topic, atFirst)
}

func (w *world) list() (any, error) {
	all, err := w.Topics()
	return w.own(all), err
}

func (w *world) describe() (any, error) {
	var partitions, copies int
	err := retried(func() (err error) { partitions, copies, err = w.Describe(w.topic); return })
	return map[string]int{"partitions": partitions, "replicas": copies}, err
}

func (w *world) describeConfig() (value any, err error) {
	err = retried(func() (err error) { value, err = w.Config(w.topic, "retention.ms"); return })
	return
}

func (w *world) describeConfigAfter() (any, error) {
	var value string
	var failed error
	err := until("the new retention.ms", func() bool {
		value, failed = w.Config(w.topic, "retention.ms")
		return value == retention || failed != nil
	})
	if failed != nil {
		err = failed
	}
	return value, err
}

func (w *world) createPartitions() (any, error) {
	if err := w.AddPartitions(w.topic, atLast); err != nil {
		return nil, err
	}
	err := w.ready(w.topic, atLast)
	time.Sleep(time.Second) // for the brokers that were not asked
	return atLast, err
}

func (w *world) total(topic string) (sum int) {
	ends, err := w.Ends(topic, atLast)
	if err != nil {
		return -1
	}
	for _, end := range ends {
		sum += int(end)
	}
	return
}

// numbered is count records, spread evenly over the partitions.
func numbered(what string, count, partitions int) (all []record) {
	for i := range count {
		all = append(all, record{i % partitions, fmt.Sprintf("%s-%04d", what, i)})
	}
	return
}

// producing is a step that writes a batch and tells by how much the topic grew.
func producing(name string, h how) step {
	return step{name, func(w *world) (any, error) {
		before, grown := w.total(w.topic), 0
		if err := w.Produce(w.topic, h, numbered(name, batch, atLast)); err != nil {
			return nil, err
		}
		err := until("what was produced", func() bool {
			grown = w.total(w.topic) - before
			return grown >= batch
		})
		w.written += grown
		if err != nil {
			return nil, fmt.Errorf("%d of %d records came", grown, batch)
		}
		return grown, nil
	}}
}

func (w *world) transaction() (any, error) {
	if err := w.Create(w.txn, 1); err != nil {
		return nil, err
	}
	if err := w.ready(w.txn, 1); err != nil {
		return nil, err
	}
	lists := [][]record{numbered("committed", 10, 1), numbered("aborted", 10, 1), numbered("last", 1, 1)}
	if err := w.Transaction(w.txn, w.of("tid"), lists); err != nil {
		return nil, err
	}
	seen, err := w.ReadCommitted(w.txn, "last-0000")
	counts := map[string]int{"committed": 0, "aborted": 0}
	for _, value := range seen {
		if kind := strings.Split(value, "-")[0]; kind != "last" {
			counts[kind]++
		}
	}
	return counts, err
}

// sum is the number of distinct values and their checksum.
func sum(values []string) map[string]any {
	sorted := append([]string{}, values...)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	crc := crc32.NewIEEE()
	for _, value := range sorted {
		crc.Write([]byte(value + "\n"))
	}
	return map[string]any{"count": len(sorted), "checksum": fmt.Sprintf("%08x", crc.Sum32())}
}

func (w *world) consumeAssign() (any, error) {
	seen, err := w.Read(w.topic, atLast, w.written)
	return sum(seen), err
}

func (w *world) consumeGroup() (any, error) {
	m, err := w.Join(w.group, w.topic)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := until("all records for the group", func() bool { return len(m.Seen()) >= w.written }); err != nil {
		return nil, fmt.Errorf("%w: %d of %d seen", err, len(m.Seen()), w.written)
	}
	return sum(m.Seen()), m.Commit()
}

func (w *world) committed() (any, error) {
	all, err := w.Committed(w.group, w.topic, atLast)
	total := int64(0)
	for _, offset := range all {
		total += offset
	}
	return total, err
}

func (w *world) lag() (any, error) {
	if own, can := w.driver.(lagger); can {
		return own.Lag(w.group, w.topic)
	}
	ends, err := w.Ends(w.topic, atLast)
	if err != nil {
		return nil, err
	}
	committed, err := w.Committed(w.group, w.topic, atLast)
	total := int64(0)
	for p := range committed {
		total += ends[p] - committed[p]
	}
	return total, err
}

func (w *world) seek() (any, error) {
	ends, err := w.Ends(w.topic, 1)
	if err != nil {
		return nil, err
	}
	seen, err := w.Seek(w.topic, 0, 3, int(ends[0])-3)
	if err != nil {
		return nil, err
	}
	return map[string]any{"first": seen[0], "count": len(seen)}, nil
}

// union is the partitions that two members own now, sorted: one that both own stands there twice.
func union(one, two member) []int {
	all := append(append([]int{}, one.Owned()...), two.Owned()...)
	slices.Sort(all)
	return all
}

func (w *world) consumeGroupTwo() (any, error) {
	one, err := w.Join(w.pair, w.topic)
	if err != nil {
		return nil, err
	}
	defer one.Close()
	if err := until("the first member's partitions", func() bool { return len(one.Owned()) == atLast }); err != nil {
		return nil, err
	}
	two, err := w.Join(w.pair, w.topic)
	if err != nil {
		return nil, err
	}
	defer two.Close()
	err = until("a rebalance", func() bool {
		return len(one.Owned()) > 0 && len(two.Owned()) > 0 && slices.Equal(union(one, two), []int{0, 1, 2, 3})
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %v and %v", err, one.Owned(), two.Owned())
	}
	seen := func() map[string]any { return sum(append(one.Seen(), two.Seen()...)) }
	err = until("all records for both", func() bool { return seen()["count"].(int) >= w.written })
	outcome := seen()
	outcome["members"], outcome["partitions"] = 2, union(one, two)
	return outcome, err
}

func (w *world) listGroups() (any, error) {
	all, err := w.Groups()
	return w.own(all), err
}

func (w *world) describeGroup() (any, error) {
	m, err := w.Join(w.group, w.topic)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := until("an assignment", func() bool { return len(m.Owned()) == atLast }); err != nil {
		return nil, err
	}
	var found description
	err = retried(func() (err error) { found, err = w.Group(w.group); return })
	found.Topics = w.own(found.Topics)
	return found, err
}

func (w *world) deleteGroup() (any, error) {
	for _, group := range []string{w.group, w.pair} {
		if err := retried(func() error { return w.DeleteGroup(group) }); err != nil {
			return nil, err
		}
	}
	return "ok", nil
}

func (w *world) unknownTopic() (any, error) {
	return expected(w.Produce(w.of("none"), how{acks: -1}, []record{{0, "lost"}}))
}

func (w *world) tooLarge() (any, error) {
	noise := make([]byte, 1500000)
	rand.New(rand.NewSource(1)).Read(noise)
	return expected(w.Produce(w.topic, how{acks: -1, big: true}, []record{{0, string(noise)}}))
}

func (w *world) deleteTopic() (any, error) {
	for _, topic := range []string{w.topic, w.txn} {
		err := w.Delete(topic)
		if err != nil && !(topic == w.txn && errorName(err) == "UNKNOWN_TOPIC_OR_PARTITION") {
			return nil, err
		}
	}
	return "ok", nil
}

func (w *world) listAfter() (any, error) {
	var left []string
	var failed error
	err := until("the end of the topics", func() bool {
		var all []string
		all, failed = w.Topics()
		left = w.own(all)
		return failed != nil || len(left) == 0
	})
	if failed != nil {
		err = failed
	}
	return left, err
}
