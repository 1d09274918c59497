// SPDX-License-Identifier: Apache-2.0
//
// Idempotence and transactions with kafka-go. Its Writer and Client.Produce put no producer id into a batch; but
// Client.RawProduce sends a batch as it is given, and Client has the calls around it.

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Where the fields of a batch of version 2 are in a record set, which begins with its own size.
const (
	batchStart    = 4
	batchChecksum = batchStart + 17
	batchChecked  = batchStart + 21 // the checksum is over all from here on
	batchProducer = batchStart + 43
	batchEpoch    = batchStart + 51
	batchSequence = batchStart + 53
)

// The types of the markers that end a transaction.
const (
	markedAborted   = 0
	markedCommitted = 1
)

// identified is a producer with an id, and the next sequence number of each partition.
type identified struct {
	driver  *segment
	client  *kafka.Client
	txn     string // its transactional id, or ""
	session *kafka.ProducerSession
	next    map[int]int32
}

// identify asks for a producer id; a transactional id is optional.
func (s *segment) identify(txn string) (*identified, error) {
	client := &kafka.Client{Addr: s.client.Addr, Timeout: patience, Transport: s.transport()}
	p := &identified{driver: s, client: client, txn: txn, next: map[int]int32{}}
	err := retried(func() error {
		ctx, cancel := limited()
		defer cancel()
		answer, err := client.InitProducerID(ctx, &kafka.InitProducerIDRequest{TransactionalID: txn,
			TransactionTimeoutMs: 60000, ProducerID: -1, ProducerEpoch: -1})
		if err != nil {
			return err
		}
		p.session = answer.Producer
		return answer.Error
	})
	return p, err
}

func (p *identified) close() {
	p.client.Transport.(*kafka.Transport).CloseIdleConnections()
}

// batch encodes values and puts the producer's id, epoch and sequence number into what came out.
func (p *identified) batch(partition int, values []string) (io.Reader, error) {
	records := []protocol.Record{}
	for _, value := range values {
		records = append(records, protocol.Record{Value: protocol.NewBytes([]byte(value))})
	}
	set := protocol.RecordSet{Version: 2, Records: protocol.NewRecordReader(records...)}
	if p.txn != "" {
		set.Attributes = protocol.Transactional
	}
	buffer := &bytes.Buffer{}
	if _, err := set.WriteTo(buffer); err != nil {
		return nil, err
	}
	raw := buffer.Bytes()
	binary.BigEndian.PutUint64(raw[batchProducer:], uint64(p.session.ProducerID))
	binary.BigEndian.PutUint16(raw[batchEpoch:], uint16(p.session.ProducerEpoch))
	binary.BigEndian.PutUint32(raw[batchSequence:], uint32(p.next[partition]))
	checksum := crc32.Checksum(raw[batchChecked:], crc32.MakeTable(crc32.Castagnoli))
	binary.BigEndian.PutUint32(raw[batchChecksum:], checksum)
	return bytes.NewReader(raw), nil
}

// send writes one batch to each partition that the records name.
func (p *identified) send(topic string, records []record) error {
	parts := map[int][]string{}
	for _, r := range records {
		parts[r.partition] = append(parts[r.partition], r.value)
	}
	for partition, values := range parts {
		err := retried(func() error { return p.sendPart(topic, partition, values) })
		if err != nil {
			return err
		}
		p.next[partition] += int32(len(values))
	}
	return nil
}

func (p *identified) sendPart(topic string, partition int, values []string) error {
	ctx, cancel := limited()
	defer cancel()
	batch, err := p.batch(partition, values)
	if err != nil {
		return err
	}
	answer, err := p.client.RawProduce(ctx, &kafka.RawProduceRequest{Topic: topic, Partition: partition,
		RequiredAcks: kafka.RequireAll, TransactionalID: p.txn, RawRecords: protocol.RawRecordSet{Reader: batch}})
	if err != nil {
		return err
	}
	return answer.Error
}

func (s *segment) idempotent(topic string, records []record) error {
	p, err := s.identify("")
	if err != nil {
		return err
	}
	defer p.close()
	return p.send(topic, records)
}

func (s *segment) Transaction(topic, id string, lists [][]record) error {
	p, err := s.identify(id)
	if err != nil {
		return err
	}
	defer p.close()
	for i, records := range lists {
		if err := p.transaction(topic, records, i != 1); err != nil {
			return err
		}
	}
	return nil
}

// transaction writes records to partition 0 in a transaction of their own.
func (p *identified) transaction(topic string, records []record, committed bool) error {
	if err := retried(func() error { return p.add(topic) }); err != nil {
		return fmt.Errorf("AddPartitionsToTxn: %w", err)
	}
	if err := p.send(topic, records); err != nil {
		return err
	}
	return retried(func() error {
		ctx, cancel := limited()
		defer cancel()
		answer, err := p.client.EndTxn(ctx, &kafka.EndTxnRequest{TransactionalID: p.txn,
			ProducerID: p.session.ProducerID, ProducerEpoch: p.session.ProducerEpoch, Committed: committed})
		if err != nil {
			return err
		}
		return answer.Error
	})
}

// add makes partition 0 of a topic part of the transaction.
func (p *identified) add(topic string) error {
	ctx, cancel := limited()
	defer cancel()
	answer, err := p.client.AddPartitionsToTxn(ctx, &kafka.AddPartitionsToTxnRequest{TransactionalID: p.txn,
		ProducerID: p.session.ProducerID, ProducerEpoch: p.session.ProducerEpoch,
		Topics: map[string][]kafka.AddPartitionToTxn{topic: {{Partition: 0}}}})
	if err != nil {
		return err
	}
	if added := answer.Topics[topic]; len(added) == 1 {
		return added[0].Error
	}
	return fmt.Errorf("%s is not among what was added: %v", topic, answer.Topics)
}

// ReadCommitted reads as the library does: with read_committed no record of an open transaction comes, but those of
// aborted ones do. That the transactions ended as they should is seen from the markers.
func (s *segment) ReadCommitted(topic, last string) (values []string, err error) {
	var marks []int16
	ended := func() bool {
		values, marks, err = s.all(topic)
		return err != nil || len(marks) == 3 && slices.Contains(values, last)
	}
	if late := until("the last transaction", ended); late != nil {
		return nil, fmt.Errorf("%w: markers %v", late, marks)
	}
	if err == nil && !slices.Equal(marks, []int16{markedCommitted, markedAborted, markedCommitted}) {
		err = fmt.Errorf("the markers of the transactions are %v", marks)
	}
	return values, err
}

// all is the values and the types of the markers of partition 0, as far as one fetch brings them.
func (s *segment) all(topic string) (values []string, marks []int16, err error) {
	ctx, cancel := limited()
	defer cancel()
	answer, err := s.client.Fetch(ctx, &kafka.FetchRequest{Topic: topic, MinBytes: 1, MaxBytes: 1 << 20,
		MaxWait: 250 * time.Millisecond, IsolationLevel: kafka.ReadCommitted})
	if err != nil || answer.Error != nil {
		return nil, nil, errors.Join(err, answer.Error)
	}
	stream, is := answer.Records.(*protocol.RecordStream)
	if !is {
		return nil, nil, nil // no records yet
	}
	for _, part := range stream.Records {
		if control, is := part.(*protocol.ControlBatch); is {
			mark, err := control.ReadControlRecord()
			if err != nil {
				return nil, nil, err
			}
			marks = append(marks, mark.Type)
			continue
		}
		if values, err = appended(values, part); err != nil {
			return nil, nil, err
		}
	}
	return values, marks, nil
}

// appended is values and those of the records that follow.
func appended(values []string, records protocol.RecordReader) ([]string, error) {
	for {
		record, err := records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		if err != nil {
			return nil, err
		}
		value, err := protocol.ReadAll(record.Value)
		if err != nil {
			return nil, err
		}
		values = append(values, string(value))
	}
}
