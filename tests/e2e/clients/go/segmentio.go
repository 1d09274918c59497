// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
)

// segment is segmentio's kafka-go.
type segment struct {
	access    access
	mechanism sasl.Mechanism
	client    *kafka.Client
}

func newSegmentio(a access) (driver, error) {
	s := &segment{access: a}
	if a.secured() {
		s.mechanism = plain.Mechanism{Username: a.user, Password: a.token}
	}
	s.client = &kafka.Client{Addr: kafka.TCP(a.brokers...), Timeout: patience, Transport: s.transport()}
	return s, nil
}

// transport is a new one, whose metadata is not older than the call. The TTL is also how long a request for metadata
// may take, and a transport whose first one took longer keeps that error.
func (s *segment) transport() *kafka.Transport {
	return &kafka.Transport{SASL: s.mechanism, MetadataTTL: 4 * time.Second}
}

func (s *segment) dialer() *kafka.Dialer {
	return &kafka.Dialer{Timeout: 10 * time.Second, SASLMechanism: s.mechanism}
}

func (s *segment) Versions() ([]int, error) {
	ctx, cancel := limited()
	defer cancel()
	answer, err := s.client.ApiVersions(ctx, &kafka.ApiVersionsRequest{})
	if err != nil {
		return nil, err
	}
	keys := []int{}
	for _, key := range answer.ApiKeys {
		keys = append(keys, key.ApiKey)
	}
	return keys, answer.Error
}

func (s *segment) Create(topic string, partitions int) error {
	ctx, cancel := limited()
	defer cancel()
	answer, err := s.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: topic, NumPartitions: partitions, ReplicationFactor: replicas}}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func (s *segment) metadata(topics ...string) ([]kafka.Topic, error) {
	ctx, cancel := limited()
	defer cancel()
	transport := s.transport()
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: s.client.Addr, Timeout: patience, Transport: transport}
	answer, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, err
	}
	return answer.Topics, nil
}

func (s *segment) Topics() ([]string, error) {
	all, err := s.metadata()
	found := []string{}
	for _, topic := range all {
		found = append(found, topic.Name)
	}
	return found, err
}

func (s *segment) Describe(topic string) (int, int, error) {
	all, err := s.metadata(topic)
	if err != nil {
		return 0, 0, err
	}
	if len(all) != 1 {
		return 0, 0, fmt.Errorf("%d topics described", len(all))
	}
	if all[0].Error != nil {
		return 0, 0, all[0].Error
	}
	return len(all[0].Partitions), len(all[0].Partitions[0].Replicas), nil
}

func (s *segment) Config(topic, key string) (string, error) {
	ctx, cancel := limited()
	defer cancel()
	answer, err := s.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic,
			ResourceName: topic, ConfigNames: []string{key}}}})
	if err != nil {
		return "", err
	}
	for _, resource := range answer.Resources {
		if resource.Error != nil {
			return "", resource.Error
		}
		for _, entry := range resource.ConfigEntries {
			if entry.ConfigName == key {
				return entry.ConfigValue, nil
			}
		}
	}
	return "", nil
}

func (s *segment) AlterConfig(topic, key, value string) error {
	ctx, cancel := limited()
	defer cancel()
	answer, err := s.client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{ResourceType: kafka.ResourceTypeTopic,
			ResourceName: topic, Configs: []kafka.IncrementalAlterConfigsRequestConfig{
				{Name: key, Value: value, ConfigOperation: kafka.ConfigOperationSet}}}}})
	if err != nil {
		return err
	}
	for _, resource := range answer.Resources {
		if resource.Error != nil {
			return resource.Error
		}
	}
	return nil
}

func (s *segment) AddPartitions(topic string, total int) error {
	ctx, cancel := limited()
	defer cancel()
	answer, err := s.client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: int32(total)}}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func (s *segment) Delete(topic string) error {
	ctx, cancel := limited()
	defer cancel()
	answer, err := s.client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

var segmentCodecs = map[string]kafka.Compression{"": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy,
	"lz4": kafka.Lz4, "zstd": kafka.Zstd}

// byHeader takes the partition of a message from its header.
func byHeader(message kafka.Message, _ ...int) int {
	p, _ := strconv.Atoi(string(message.Headers[0].Value))
	return p
}

func (s *segment) Produce(topic string, h how, records []record) error {
	if h.idempotent {
		return s.idempotent(topic, records)
	}
	writer := &kafka.Writer{Addr: kafka.TCP(s.access.brokers...), Topic: topic, Transport: s.transport(),
		Balancer: kafka.BalancerFunc(byHeader), RequiredAcks: kafka.RequiredAcks(h.acks),
		Compression: segmentCodecs[h.codec], BatchTimeout: 10 * time.Millisecond, MaxAttempts: 3}
	defer writer.Close()
	if h.big {
		writer.BatchBytes = 8 << 20
	}
	messages := []kafka.Message{}
	for _, r := range records {
		header := kafka.Header{Key: "partition", Value: []byte(strconv.Itoa(r.partition))}
		messages = append(messages, kafka.Message{Value: []byte(r.value), Headers: []kafka.Header{header}})
	}
	ctx, cancel := limited()
	defer cancel()
	return writer.WriteMessages(ctx, messages...)
}

func (s *segment) Ends(topic string, partitions int) ([]int64, error) {
	ctx, cancel := limited()
	defer cancel()
	wanted := []kafka.OffsetRequest{}
	for p := range partitions {
		wanted = append(wanted, kafka.LastOffsetOf(p))
	}
	answer, err := s.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: wanted}})
	if err != nil {
		return nil, err
	}
	ends := make([]int64, partitions)
	for _, one := range answer.Topics[topic] {
		if one.Error != nil {
			return nil, one.Error
		}
		ends[one.Partition] = one.LastOffset
	}
	return ends, nil
}

func (s *segment) reader(topic string, partition int) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{Brokers: s.access.brokers, Dialer: s.dialer(), Topic: topic,
		Partition: partition, MaxWait: 250 * time.Millisecond})
}

// gather reads from where a reader stands until there are count values.
func gather(reader *kafka.Reader, count int) (values []string, err error) {
	ctx, cancel := limited()
	defer cancel()
	for len(values) < count {
		message, err := reader.ReadMessage(ctx)
		if err != nil {
			return values, fmt.Errorf("after %d of %d records: %w", len(values), count, err)
		}
		values = append(values, string(message.Value))
	}
	return values, nil
}

func (s *segment) Read(topic string, partitions, count int) ([]string, error) {
	ends, err := s.Ends(topic, partitions)
	if err != nil {
		return nil, err
	}
	values := []string{}
	for p, end := range ends {
		reader := s.reader(topic, p)
		part, err := gather(reader, int(end))
		reader.Close()
		if err != nil {
			return nil, err
		}
		values = append(values, part...)
	}
	return values, nil
}

func (s *segment) Seek(topic string, partition int, offset int64, count int) ([]string, error) {
	reader := s.reader(topic, partition)
	defer reader.Close()
	if _, err := gather(reader, 1); err != nil {
		return nil, err
	}
	if err := reader.SetOffset(offset); err != nil {
		return nil, err
	}
	return gather(reader, count)
}

// segmentMember is a group member made of kafka-go's ConsumerGroup, which tells what it was assigned.
type segmentMember struct {
	driver *segment
	topic  string
	group  *kafka.ConsumerGroup
	cancel context.CancelFunc
	ended  chan struct{}
	mutex  sync.Mutex
	gen    *kafka.Generation
	owned  []int
	seen   []string
	next   map[int]int64
}

func (s *segment) Join(group, topic string) (member, error) {
	joined, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{ID: group, Brokers: s.access.brokers,
		Dialer: s.dialer(), Topics: []string{topic}, HeartbeatInterval: 500 * time.Millisecond,
		StartOffset: kafka.FirstOffset})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &segmentMember{driver: s, topic: topic, group: joined, cancel: cancel, ended: make(chan struct{}),
		next: map[int]int64{}}
	go m.run(ctx)
	return m, nil
}

func (m *segmentMember) run(ctx context.Context) {
	defer close(m.ended)
	for ctx.Err() == nil {
		gen, err := m.group.Next(ctx)
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		m.begin(gen)
	}
}

// begin starts a reader of each assigned partition; all end with the generation.
func (m *segmentMember) begin(gen *kafka.Generation) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.gen, m.owned = gen, []int{}
	for _, assigned := range gen.Assignments[m.topic] {
		m.owned = append(m.owned, assigned.ID)
		gen.Start(func(ctx context.Context) { m.read(ctx, assigned) })
	}
	sort.Ints(m.owned)
	gen.Start(func(ctx context.Context) {
		<-ctx.Done()
		m.mutex.Lock()
		defer m.mutex.Unlock()
		if m.gen == gen {
			m.gen, m.owned = nil, nil
		}
	})
}

func (m *segmentMember) read(ctx context.Context, assigned kafka.PartitionAssignment) {
	reader := m.driver.reader(m.topic, assigned.ID)
	defer reader.Close()
	reader.SetOffset(assigned.Offset)
	for {
		message, err := reader.ReadMessage(ctx)
		if err != nil {
			return
		}
		m.mutex.Lock()
		m.seen = append(m.seen, string(message.Value))
		m.next[assigned.ID] = message.Offset + 1
		m.mutex.Unlock()
	}
}

func (m *segmentMember) Owned() []int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return append([]int{}, m.owned...)
}

func (m *segmentMember) Seen() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return append([]string{}, m.seen...)
}

func (m *segmentMember) Commit() error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.gen == nil {
		return fmt.Errorf("no generation to commit in")
	}
	return m.gen.CommitOffsets(map[string]map[int]int64{m.topic: m.next})
}

func (m *segmentMember) Close() error {
	m.cancel()
	<-m.ended
	return m.group.Close()
}

func (s *segment) Committed(group, topic string, partitions int) ([]int64, error) {
	ctx, cancel := limited()
	defer cancel()
	wanted := map[string][]int{topic: {}}
	for p := range partitions {
		wanted[topic] = append(wanted[topic], p)
	}
	answer, err := s.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: wanted})
	if err != nil {
		return nil, err
	}
	committed := make([]int64, partitions)
	for _, one := range answer.Topics[topic] {
		if one.Error != nil {
			return nil, one.Error
		}
		committed[one.Partition] = one.CommittedOffset
	}
	return committed, answer.Error
}

func (s *segment) Groups() ([]string, error) {
	ctx, cancel := limited()
	defer cancel()
	answer, err := s.client.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return nil, err
	}
	found := []string{}
	for _, group := range answer.Groups {
		found = append(found, group.GroupID)
	}
	return found, answer.Error
}

func (s *segment) Group(group string) (description, error) {
	ctx, cancel := limited()
	defer cancel()
	answer, err := s.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return description{}, err
	}
	if len(answer.Groups) != 1 {
		return description{}, fmt.Errorf("%d groups described", len(answer.Groups))
	}
	one, topics, found := answer.Groups[0], map[string]bool{}, []string{}
	for _, m := range one.Members {
		for _, assigned := range m.MemberAssignments.Topics {
			topics[assigned.Topic] = true
		}
	}
	for topic := range topics {
		found = append(found, topic)
	}
	return description{one.GroupState, len(one.Members), found}, one.Error
}

func (s *segment) DeleteGroup(group string) error {
	ctx, cancel := limited()
	defer cancel()
	answer, err := s.client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return err
	}
	return answer.Errors[group]
}
