// Sarama, which Filebeat and many others write with: the scenarios of features.ts, with its own default for the version of the protocol.
package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"conformance/course"

	"github.com/IBM/sarama"
)

var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func main() {
	course.Run("github.com/IBM/sarama", map[string]func([]byte) any{
		"records":     records,
		"compression": compression,
		"rebalance": func(given []byte) any {
			return course.Rebalance(given, join, func(values []string) { send(values, config()) })
		},
		"resume": func(given []byte) any {
			return course.Resume(given, func(values []string) { send(values, config()) }, take)
		},
		"transactions": transactions,
		"admin":        func([]byte) any { return admin() },
		"times":        times,
	})
}

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Consumer.Return.Errors = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	return config
}

func message(value string) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{Topic: course.Name, Value: sarama.StringEncoder(value)}
}

func send(values []string, config *sarama.Config) {
	producer, err := sarama.NewSyncProducer([]string{course.Broker}, config)
	course.Check(err)
	course.Check(producer.SendMessages(course.Each(values, message)))
	course.Check(producer.Close())
}

// read takes `count` messages of partition 0 from its beginning, and what comes right behind them.
func read(count int, config *sarama.Config) (found []*sarama.ConsumerMessage) {
	consumer, err := sarama.NewConsumer([]string{course.Broker}, config)
	course.Check(err)
	partition, err := consumer.ConsumePartition(course.Name, 0, sarama.OffsetOldest)
	course.Check(err)
	patience := time.Minute
	for patience > 0 {
		select {
		case message := <-partition.Messages():
			found = append(found, message)
		case err := <-partition.Errors():
			course.Check(err)
		case <-time.After(patience):
			patience = 0
		}
		if len(found) >= count {
			patience = min(patience, time.Second)
		}
	}
	course.Check(partition.Close())
	course.Check(consumer.Close())
	return found
}

func valuesOf(messages []*sarama.ConsumerMessage) []string {
	return course.Each(messages, func(message *sarama.ConsumerMessage) string { return string(message.Value) })
}

func records(given []byte) any {
	sent := course.Given[[]course.Record](given)
	producer, err := sarama.NewSyncProducer([]string{course.Broker}, config())
	course.Check(err)
	for _, record := range sent {
		each := message(record.Value)
		each.Key = sarama.StringEncoder(record.Key)
		each.Timestamp = time.UnixMilli(record.TimestampMs)
		each.Headers = course.Each(record.Headers, func(header [2]string) sarama.RecordHeader {
			return sarama.RecordHeader{Key: []byte(header[0]), Value: []byte(header[1])}
		})
		_, _, err := producer.SendMessage(each)
		course.Check(err)
	}
	course.Check(producer.Close())
	return course.Each(read(len(sent), config()), func(each *sarama.ConsumerMessage) course.Record {
		headers := course.Each(each.Headers, func(header *sarama.RecordHeader) [2]string {
			return [2]string{string(header.Key), string(header.Value)}
		})
		return course.Record{Key: string(each.Key), Value: string(each.Value), Headers: headers, TimestampMs: each.Timestamp.UnixMilli()}
	})
}

func compression(given []byte) any {
	wanted := course.Given[course.Compression](given)
	config := config()
	config.Producer.Compression = codecs[wanted.Codec]
	config.Producer.Flush.Messages = len(wanted.Values)
	send(wanted.Values, config)
	return valuesOf(read(len(wanted.Values), config))
}

// member is a handler of a group, and its course.Member.
type member struct {
	group   sarama.ConsumerGroup
	stop    context.CancelFunc
	stopped chan struct{}
	claims  atomic.Int32
	take    func(session sarama.ConsumerGroupSession, message *sarama.ConsumerMessage)
}

func (member *member) Setup(session sarama.ConsumerGroupSession) error {
	member.claims.Store(int32(len(session.Claims()[course.Name])))
	return nil
}

func (member *member) Cleanup(sarama.ConsumerGroupSession) error {
	member.claims.Store(0)
	return nil
}

func (member *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, isOpen := <-claim.Messages():
			if !isOpen {
				return nil
			}
			member.take(session, message)
		case <-session.Context().Done():
			return nil
		}
	}
}

func (member *member) Partitions() int { return int(member.claims.Load()) }

func (member *member) Stop() {
	member.stop()
	<-member.stopped
	course.Check(member.group.Close())
}

func joinWith(take func(session sarama.ConsumerGroupSession, message *sarama.ConsumerMessage)) *member {
	group, err := sarama.NewConsumerGroup([]string{course.Broker}, course.Name, config())
	course.Check(err)
	running, stop := context.WithCancel(context.Background())
	joined := &member{group: group, stop: stop, stopped: make(chan struct{}), take: take}
	go func() {
		defer close(joined.stopped)
		for running.Err() == nil {
			if err := group.Consume(running, []string{course.Name}, joined); !errors.Is(err, sarama.ErrClosedConsumerGroup) {
				course.Check(err)
			}
		}
	}()
	return joined
}

func join(read *course.Read) course.Member {
	return joinWith(func(_ sarama.ConsumerGroupSession, message *sarama.ConsumerMessage) { read.Add(string(message.Value)) })
}

func take(count int) []string {
	read := &course.Read{}
	full := make(chan struct{})
	joined := joinWith(func(session sarama.ConsumerGroupSession, message *sarama.ConsumerMessage) {
		read.Add(string(message.Value))
		session.MarkMessage(message, "")
		if len(read.Values()) == count {
			session.Commit()
			close(full)
		}
	})
	<-full
	joined.Stop()
	return read.Values()
}

func transactions(given []byte) any {
	config := config()
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Transaction.ID = course.Name
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	producer, err := sarama.NewSyncProducer([]string{course.Broker}, config)
	course.Check(err)
	committed := 0
	for _, outcome := range course.Given[[]course.Outcome](given) {
		course.Check(producer.BeginTxn())
		for _, value := range outcome.Values {
			_, _, err := producer.SendMessage(message(value))
			course.Check(err)
		}
		offset := &sarama.PartitionOffsetMetadata{Partition: 0, Offset: outcome.Offset, LeaderEpoch: -1}
		course.Check(producer.AddOffsetsToTxn(map[string][]*sarama.PartitionOffsetMetadata{course.Name: {offset}}, course.Name))
		if outcome.Ends == "committed" {
			committed += len(outcome.Values)
			course.Check(producer.CommitTxn())
		} else {
			course.Check(producer.AbortTxn())
		}
	}
	course.Check(producer.Close())
	return valuesOf(read(committed, config))
}

func admin() any {
	admin, err := sarama.NewClusterAdmin([]string{course.Broker}, config())
	course.Check(err)
	defer admin.Close()
	before, after := "12345", "54321"
	return course.Administer(course.Topic{
		Create: func() {
			settings := map[string]*string{"retention.ms": &before}
			course.Check(admin.CreateTopic(course.Name, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: settings}, false))
		},
		Partitions: func() int {
			topics, err := admin.ListTopics()
			course.Check(err)
			return int(topics[course.Name].NumPartitions)
		},
		Retention: func() string {
			asked := sarama.ConfigResource{Type: sarama.TopicResource, Name: course.Name, ConfigNames: []string{"retention.ms"}}
			settings, err := admin.DescribeConfig(asked)
			course.Check(err)
			return settings[0].Value
		},
		AddPartition: func() { course.Check(admin.CreatePartitions(course.Name, 3, nil, false)) },
		Alter: func() {
			change := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &after}
			changes := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": change}
			course.Check(admin.IncrementalAlterConfig(sarama.TopicResource, course.Name, changes, false))
		},
		Remove: func() { course.Check(admin.DeleteTopic(course.Name)) },
	})
}

func times(given []byte) any {
	client, err := sarama.NewClient([]string{course.Broker}, config())
	course.Check(err)
	defer client.Close()
	offset, err := client.GetOffset(course.Name, 0, course.Given[int64](given))
	course.Check(err)
	end, err := client.GetOffset(course.Name, 0, sarama.OffsetNewest)
	course.Check(err)
	return map[string]int64{"offset": offset, "end": end}
}
