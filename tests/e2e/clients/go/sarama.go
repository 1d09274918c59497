// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// shopify is sarama, which speaks as a client of the version that its configuration names.
type shopify struct {
	access  access
	version sarama.KafkaVersion
	client  sarama.Client
	admin   sarama.ClusterAdmin
}

func newSaramaMax(a access) (driver, error) { return newSarama(a, sarama.MaxVersion) }
func newSaramaOld(a access) (driver, error) { return newSarama(a, sarama.V2_1_0_0) }

func newSarama(a access, version sarama.KafkaVersion) (driver, error) {
	s := &shopify{access: a, version: version}
	var err error
	if s.client, err = sarama.NewClient(a.brokers, s.config()); err != nil {
		return nil, err
	}
	s.admin, err = sarama.NewClusterAdminFromClient(s.client)
	return s, err
}

func (s *shopify) config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = s.version
	c.Net.SASL.Enable = s.access.secured()
	c.Net.SASL.User, c.Net.SASL.Password = s.access.user, s.access.token
	c.Admin.Timeout = patience
	c.Producer.Return.Successes = true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	c.Consumer.Return.Errors = false
	return c
}

func (s *shopify) Versions() ([]int, error) {
	broker, err := s.client.Controller()
	if err != nil {
		return nil, err
	}
	answer, err := broker.ApiVersions(&sarama.ApiVersionsRequest{})
	if err != nil {
		return nil, err
	}
	keys := []int{}
	for _, key := range answer.ApiKeys {
		keys = append(keys, int(key.ApiKey))
	}
	return keys, nil
}

func (s *shopify) Create(topic string, partitions int) error {
	detail := &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: replicas}
	return s.admin.CreateTopic(topic, detail, false)
}

func (s *shopify) Topics() ([]string, error) {
	all, err := s.admin.ListTopics()
	found := []string{}
	for topic := range all {
		found = append(found, topic)
	}
	return found, err
}

func (s *shopify) Describe(topic string) (int, int, error) {
	all, err := s.admin.DescribeTopics([]string{topic})
	if err != nil {
		return 0, 0, err
	}
	if len(all) != 1 {
		return 0, 0, fmt.Errorf("%d topics described", len(all))
	}
	if all[0].Err != sarama.ErrNoError {
		return 0, 0, all[0].Err
	}
	return len(all[0].Partitions), len(all[0].Partitions[0].Replicas), nil
}

func (s *shopify) Config(topic, key string) (string, error) {
	all, err := s.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	if err != nil {
		return "", err
	}
	for _, entry := range all {
		if entry.Name == key {
			return entry.Value, nil
		}
	}
	return "", nil
}

func (s *shopify) AlterConfig(topic, key, value string) error {
	if !s.version.IsAtLeast(sarama.V2_3_0_0) { // the incremental call is not there yet
		return s.admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{key: &value}, false)
	}
	entry := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}
	return s.admin.IncrementalAlterConfig(sarama.TopicResource, topic,
		map[string]sarama.IncrementalAlterConfigsEntry{key: entry}, false)
}

func (s *shopify) AddPartitions(topic string, total int) error {
	return s.admin.CreatePartitions(topic, int32(total), nil, false)
}

func (s *shopify) Delete(topic string) error { return s.admin.DeleteTopic(topic) }

var saramaCodecs = map[string]sarama.CompressionCodec{"": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}

func saramaMessages(topic string, records []record) (all []*sarama.ProducerMessage) {
	for _, r := range records {
		all = append(all, &sarama.ProducerMessage{Topic: topic, Partition: int32(r.partition),
			Value: sarama.StringEncoder(r.value)})
	}
	return
}

func (s *shopify) Produce(topic string, h how, records []record) error {
	c := s.config()
	c.Producer.RequiredAcks = sarama.RequiredAcks(h.acks)
	c.Producer.Compression = saramaCodecs[h.codec]
	if h.idempotent {
		c.Producer.Idempotent = true
		c.Net.MaxOpenRequests = 1
	}
	if h.big {
		c.Producer.MaxMessageBytes = 8 << 20
	}
	producer, err := sarama.NewSyncProducer(s.access.brokers, c)
	if err != nil {
		return err
	}
	defer producer.Close()
	return producer.SendMessages(saramaMessages(topic, records))
}

func (s *shopify) Transaction(topic, id string, lists [][]record) error {
	c := s.config()
	c.Producer.Idempotent = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Transaction.ID = id
	c.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer(s.access.brokers, c)
	if err != nil {
		return err
	}
	defer producer.Close()
	ends := []func() error{producer.CommitTxn, producer.AbortTxn, producer.CommitTxn}
	for i, records := range lists {
		if err := producer.BeginTxn(); err != nil {
			return err
		}
		if err := producer.SendMessages(saramaMessages(topic, records)); err != nil {
			return err
		}
		if err := ends[i](); err != nil {
			return err
		}
	}
	return nil
}

func (s *shopify) Ends(topic string, partitions int) ([]int64, error) {
	if err := s.client.RefreshMetadata(topic); err != nil {
		return nil, err
	}
	ends := make([]int64, partitions)
	for p := range ends {
		var err error
		if ends[p], err = s.client.GetOffset(topic, int32(p), sarama.OffsetNewest); err != nil {
			return nil, err
		}
	}
	return ends, nil
}

// gather reads partitions from an offset until there is enough.
func (s *shopify) gather(topic string, partitions []int, from int64, enough func([]string) bool, level sarama.IsolationLevel) ([]string, error) {
	c := s.config()
	c.Consumer.IsolationLevel = level
	consumer, err := sarama.NewConsumer(s.access.brokers, c)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	messages := make(chan string, 1000) // more than there are
	for _, p := range partitions {
		reader, err := consumer.ConsumePartition(topic, int32(p), from)
		if err != nil {
			return nil, err
		}
		defer reader.Close()
		go func() {
			for message := range reader.Messages() {
				messages <- string(message.Value)
			}
		}()
	}
	values, late := []string{}, time.After(patience)
	for !enough(values) {
		select {
		case value := <-messages:
			values = append(values, value)
		case <-late:
			return values, fmt.Errorf("only %d records came", len(values))
		}
	}
	return values, nil
}

func (s *shopify) Read(topic string, partitions, count int) ([]string, error) {
	all := []int{}
	for p := range partitions {
		all = append(all, p)
	}
	return s.gather(topic, all, sarama.OffsetOldest, atLeast(count), sarama.ReadUncommitted)
}

func (s *shopify) ReadCommitted(topic, last string) ([]string, error) {
	seen := func(values []string) bool { return slices.Contains(values, last) }
	return s.gather(topic, []int{0}, sarama.OffsetOldest, seen, sarama.ReadCommitted)
}

func (s *shopify) Seek(topic string, partition int, offset int64, count int) ([]string, error) {
	if _, err := s.gather(topic, []int{partition}, sarama.OffsetOldest, atLeast(1), sarama.ReadUncommitted); err != nil {
		return nil, err
	}
	return s.gather(topic, []int{partition}, offset, atLeast(count), sarama.ReadUncommitted)
}

// saramaMember is a group member and the handler of its sessions.
type saramaMember struct {
	group   sarama.ConsumerGroup
	cancel  context.CancelFunc
	ended   chan struct{}
	mutex   sync.Mutex
	session sarama.ConsumerGroupSession
	owned   []int
	seen    []string
}

func (s *shopify) Join(group, topic string) (member, error) {
	joined, err := sarama.NewConsumerGroup(s.access.brokers, group, s.config())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &saramaMember{group: joined, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		for ctx.Err() == nil {
			if err := joined.Consume(ctx, []string{topic}, m); err != nil {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	return m, nil
}

// Setup is called with the claims of a new session.
func (m *saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.session, m.owned = session, []int{}
	for _, partitions := range session.Claims() {
		for _, p := range partitions {
			m.owned = append(m.owned, int(p))
		}
	}
	sort.Ints(m.owned)
	return nil
}

// Cleanup is called when a session ends.
func (m *saramaMember) Cleanup(sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.session, m.owned = nil, nil
	return nil
}

// ConsumeClaim reads one partition while the session lasts.
func (m *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case <-session.Context().Done():
			return nil
		case message, more := <-claim.Messages():
			if !more {
				return nil
			}
			session.MarkMessage(message, "")
			m.mutex.Lock()
			m.seen = append(m.seen, string(message.Value))
			m.mutex.Unlock()
		}
	}
}

func (m *saramaMember) Owned() []int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return append([]int{}, m.owned...)
}

func (m *saramaMember) Seen() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return append([]string{}, m.seen...)
}

func (m *saramaMember) Commit() error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.session == nil {
		return fmt.Errorf("no session to commit in")
	}
	m.session.Commit()
	return nil
}

func (m *saramaMember) Close() error {
	m.cancel()
	<-m.ended
	return m.group.Close()
}

func (s *shopify) Committed(group, topic string, partitions int) ([]int64, error) {
	wanted := map[string][]int32{topic: {}}
	for p := range partitions {
		wanted[topic] = append(wanted[topic], int32(p))
	}
	answer, err := s.admin.ListConsumerGroupOffsets(group, wanted)
	if err != nil {
		return nil, err
	}
	committed := make([]int64, partitions)
	for p := range committed {
		block := answer.GetBlock(topic, int32(p))
		if block == nil {
			return nil, fmt.Errorf("nothing committed for partition %d", p)
		}
		if block.Err != sarama.ErrNoError {
			return nil, block.Err
		}
		committed[p] = block.Offset
	}
	return committed, nil
}

func (s *shopify) Groups() ([]string, error) {
	all, err := s.admin.ListConsumerGroups()
	found := []string{}
	for group := range all {
		found = append(found, group)
	}
	return found, err
}

func (s *shopify) Group(group string) (description, error) {
	all, err := s.admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return description{}, err
	}
	if len(all) != 1 {
		return description{}, fmt.Errorf("%d groups described", len(all))
	}
	if all[0].Err != sarama.ErrNoError {
		return description{}, all[0].Err
	}
	topics := map[string]bool{}
	for _, m := range all[0].Members {
		assignment, err := m.GetMemberAssignment()
		if err != nil {
			return description{}, err
		}
		if assignment == nil {
			continue
		}
		for topic := range assignment.Topics {
			topics[topic] = true
		}
	}
	found := []string{}
	for topic := range topics {
		found = append(found, topic)
	}
	return description{all[0].State, len(all[0].Members), found}, nil
}

func (s *shopify) DeleteGroup(group string) error { return s.admin.DeleteConsumerGroup(group) }
