// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// franz is franz-go with its admin client.
type franz struct {
	access access
	client *kgo.Client
	admin  *kadm.Client
}

func newFranz(a access) (driver, error) {
	f := &franz{access: a}
	var err error
	if f.client, err = f.open(); err != nil {
		return nil, err
	}
	f.admin = kadm.NewClient(f.client)
	return f, nil
}

func (f *franz) open(more ...kgo.Opt) (*kgo.Client, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(f.access.brokers...), kgo.MetadataMinAge(100 * time.Millisecond)}
	if f.access.secured() {
		opts = append(opts, kgo.SASL(plain.Auth{User: f.access.user, Pass: f.access.token}.AsMechanism()))
	}
	return kgo.NewClient(append(opts, more...)...)
}

func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

func (f *franz) Versions() ([]int, error) {
	ctx, cancel := limited()
	defer cancel()
	all, err := f.admin.ApiVersions(ctx)
	keys := []int{}
	for _, one := range all {
		if one.Err != nil {
			return nil, one.Err
		}
		keys = keys[:0]
		one.EachKeySorted(func(key, _, _ int16) { keys = append(keys, int(key)) })
	}
	return keys, err
}

func (f *franz) Create(topic string, partitions int) error {
	ctx, cancel := limited()
	defer cancel()
	_, err := f.admin.CreateTopic(ctx, int32(partitions), replicas, nil, topic)
	return err
}

func (f *franz) Topics() ([]string, error) {
	ctx, cancel := limited()
	defer cancel()
	all, err := f.admin.ListTopics(ctx)
	return all.Names(), err
}

func (f *franz) Describe(topic string) (int, int, error) {
	ctx, cancel := limited()
	defer cancel()
	all, err := f.admin.ListTopics(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	return len(all[topic].Partitions), all[topic].Partitions.NumReplicas(), all[topic].Err
}

func (f *franz) Config(topic, key string) (string, error) {
	ctx, cancel := limited()
	defer cancel()
	all, err := f.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return "", err
	}
	one, err := all.On(topic, nil)
	if err != nil {
		return "", err
	}
	for _, config := range one.Configs {
		if config.Key == key {
			return config.MaybeValue(), one.Err
		}
	}
	return "", one.Err
}

func (f *franz) AlterConfig(topic, key, value string) error {
	ctx, cancel := limited()
	defer cancel()
	all, err := f.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: key, Value: &value}}, topic)
	if err != nil {
		return err
	}
	_, err = all.On(topic, func(one *kadm.AlterConfigsResponse) error { return one.Err })
	return err
}

func (f *franz) AddPartitions(topic string, total int) error {
	ctx, cancel := limited()
	defer cancel()
	all, err := f.admin.UpdatePartitions(ctx, total, topic)
	if err != nil {
		return err
	}
	return all.Error()
}

func (f *franz) Delete(topic string) error {
	ctx, cancel := limited()
	defer cancel()
	_, err := f.admin.DeleteTopic(ctx, topic)
	return err
}

var franzCodecs = map[string]kgo.CompressionCodec{"": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}

var franzAcks = map[int]kgo.Acks{0: kgo.NoAck(), 1: kgo.LeaderAck(), -1: kgo.AllISRAcks()}

func franzRecords(topic string, records []record) (all []*kgo.Record) {
	for _, r := range records {
		all = append(all, &kgo.Record{Topic: topic, Partition: int32(r.partition), Value: []byte(r.value)})
	}
	return
}

func (f *franz) Produce(topic string, h how, records []record) error {
	opts := []kgo.Opt{kgo.RequiredAcks(franzAcks[h.acks]), kgo.ProducerBatchCompression(franzCodecs[h.codec]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(2),
		kgo.RecordDeliveryTimeout(patience)}
	if !h.idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	if h.big {
		opts = append(opts, kgo.ProducerBatchMaxBytes(8<<20))
	}
	client, err := f.open(opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := limited()
	defer cancel()
	return client.ProduceSync(ctx, franzRecords(topic, records)...).FirstErr()
}

func (f *franz) Transaction(topic, id string, lists [][]record) error {
	client, err := f.open(kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := limited()
	defer cancel()
	for i, records := range lists {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		if err := client.ProduceSync(ctx, franzRecords(topic, records)...).FirstErr(); err != nil {
			return err
		}
		if err := client.EndTransaction(ctx, i != 1); err != nil {
			return err
		}
	}
	return nil
}

func (f *franz) Ends(topic string, partitions int) ([]int64, error) {
	ctx, cancel := limited()
	defer cancel()
	all, err := f.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	if err := all.Error(); err != nil {
		return nil, err
	}
	ends := make([]int64, partitions)
	for p := range ends {
		one, found := all.Lookup(topic, int32(p))
		if !found {
			return nil, fmt.Errorf("no end offset of partition %d", p)
		}
		ends[p] = one.Offset
	}
	return ends, nil
}

// take polls until there is enough.
func take(client *kgo.Client, enough func(values []string) bool) (values []string, err error) {
	ctx, cancel := limited()
	defer cancel()
	for !enough(values) {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return values, fmt.Errorf("only %d records came", len(values))
		}
		if err := fetches.Err(); err != nil {
			return values, err
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values, nil
}

func atLeast(count int) func([]string) bool {
	return func(values []string) bool { return len(values) >= count }
}

func (f *franz) read(topic string, partitions int, enough func([]string) bool, more ...kgo.Opt) ([]string, error) {
	starts := map[int32]kgo.Offset{}
	for p := range partitions {
		starts[int32(p)] = kgo.NewOffset().AtStart()
	}
	client, err := f.open(append(more, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}))...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return take(client, enough)
}

func (f *franz) Read(topic string, partitions, count int) ([]string, error) {
	return f.read(topic, partitions, atLeast(count))
}

func (f *franz) ReadCommitted(topic, last string) ([]string, error) {
	return f.read(topic, 1, func(values []string) bool { return slices.Contains(values, last) },
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
}

func (f *franz) Seek(topic string, partition int, offset int64, count int) ([]string, error) {
	start := map[int32]kgo.Offset{int32(partition): kgo.NewOffset().AtStart()}
	client, err := f.open(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: start}))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if _, err := take(client, atLeast(1)); err != nil {
		return nil, err
	}
	client.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {int32(partition): {Epoch: -1, Offset: offset}}})
	return take(client, atLeast(count))
}

// franzMember is a group member; the client calls back on assignments.
type franzMember struct {
	client *kgo.Client
	mutex  sync.Mutex
	owned  map[int]bool
	seen   []string
}

func (m *franzMember) change(all map[string][]int32, own bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, partitions := range all {
		for _, p := range partitions {
			if own {
				m.owned[int(p)] = true
			} else {
				delete(m.owned, int(p))
			}
		}
	}
}

func (f *franz) Join(group, topic string) (member, error) {
	m := &franzMember{owned: map[int]bool{}}
	gain := func(_ context.Context, _ *kgo.Client, all map[string][]int32) { m.change(all, true) }
	lose := func(_ context.Context, _ *kgo.Client, all map[string][]int32) { m.change(all, false) }
	client, err := f.open(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(gain), kgo.OnPartitionsRevoked(lose), kgo.OnPartitionsLost(lose),
		kgo.HeartbeatInterval(500*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	m.client = client
	go m.run()
	return m, nil
}

func (m *franzMember) run() {
	for {
		fetches := m.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		m.mutex.Lock()
		fetches.EachRecord(func(r *kgo.Record) { m.seen = append(m.seen, string(r.Value)) })
		m.mutex.Unlock()
	}
}

func (m *franzMember) Owned() []int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	owned := []int{}
	for p := range m.owned {
		owned = append(owned, p)
	}
	sort.Ints(owned)
	return owned
}

func (m *franzMember) Seen() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return append([]string{}, m.seen...)
}

func (m *franzMember) Commit() error {
	ctx, cancel := limited()
	defer cancel()
	return m.client.CommitUncommittedOffsets(ctx)
}

func (m *franzMember) Close() error {
	m.client.Close()
	return nil
}

func (f *franz) Committed(group, topic string, partitions int) ([]int64, error) {
	ctx, cancel := limited()
	defer cancel()
	all, err := f.admin.FetchOffsets(ctx, group)
	if err != nil {
		return nil, err
	}
	committed := make([]int64, partitions)
	for p := range committed {
		one, found := all.Lookup(topic, int32(p))
		if !found {
			return nil, fmt.Errorf("nothing committed for partition %d", p)
		}
		committed[p] = one.At
	}
	return committed, all.Error()
}

func (f *franz) Lag(group, topic string) (int64, error) {
	ctx, cancel := limited()
	defer cancel()
	all, err := f.admin.Lag(ctx, group)
	if err != nil {
		return 0, err
	}
	lag := int64(0)
	for _, one := range all[group].Lag.Sorted() {
		if one.Err != nil {
			return 0, one.Err
		}
		if one.Topic == topic {
			lag += one.Lag
		}
	}
	described := all[group]
	return lag, described.Error()
}

func (f *franz) Groups() ([]string, error) {
	ctx, cancel := limited()
	defer cancel()
	all, err := f.admin.ListGroups(ctx)
	return all.Groups(), err
}

func (f *franz) Group(group string) (description, error) {
	ctx, cancel := limited()
	defer cancel()
	all, err := f.admin.DescribeGroups(ctx, group)
	if err != nil {
		return description{}, err
	}
	one := all[group]
	return description{one.State, len(one.Members), one.AssignedPartitions().Topics()}, one.Err
}

func (f *franz) DeleteGroup(group string) error {
	ctx, cancel := limited()
	defer cancel()
	_, err := f.admin.DeleteGroup(ctx, group)
	return err
}
