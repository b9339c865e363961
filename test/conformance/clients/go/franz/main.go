// franz-go: the scenarios of features.ts, with its defaults (cooperative-sticky groups, the newest protocol).
package main

import (
	"context"
	"sync/atomic"
	"time"

	"conformance/course"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

var always = context.Background()

func main() {
	plain := func(values []string) { send(values) }
	course.Run("github.com/twmb/franz-go", map[string]func([]byte) any{
		"records":      records,
		"compression":  compression,
		"rebalance":    func(given []byte) any { return course.Rebalance(given, join, plain) },
		"resume":       func(given []byte) any { return course.Resume(given, plain, take) },
		"transactions": transactions,
		"admin":        func([]byte) any { return admin() },
		"times":        times,
	})
}

func open(options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(course.Broker)}, options...)...)
	course.Check(err)
	return client
}

func record(value string) *kgo.Record { return &kgo.Record{Topic: course.Name, Value: []byte(value)} }

func send(values []string, options ...kgo.Opt) {
	client := open(options...)
	defer client.Close()
	records := course.Each(values, record)
	course.Check(client.ProduceSync(always, records...).FirstErr())
}

// poll takes `count` records, and what comes within `patience` behind them.
func poll(client *kgo.Client, count int, patience time.Duration) (found []*kgo.Record) {
	for {
		limit := time.Minute
		if len(found) >= count {
			limit = patience
		}
		waiting, stop := context.WithTimeout(always, limit)
		fetches := client.PollFetches(waiting)
		isOver := waiting.Err() != nil
		stop()
		if isOver {
			return found
		}
		for _, failure := range fetches.Errors() {
			course.Check(failure.Err)
		}
		found = append(found, fetches.Records()...)
		if len(found) >= count && patience == 0 {
			return found
		}
	}
}

func read(count int, options ...kgo.Opt) []*kgo.Record {
	client := open(append(options, kgo.ConsumeTopics(course.Name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	defer client.Close()
	return poll(client, count, time.Second)
}

func valuesOf(records []*kgo.Record) []string {
	return course.Each(records, func(record *kgo.Record) string { return string(record.Value) })
}

func records(given []byte) any {
	client := open()
	defer client.Close()
	sent := course.Given[[]course.Record](given)
	for _, each := range sent {
		outgoing := record(each.Value)
		outgoing.Key = []byte(each.Key)
		outgoing.Timestamp = time.UnixMilli(each.TimestampMs)
		outgoing.Headers = course.Each(each.Headers, func(header [2]string) kgo.RecordHeader {
			return kgo.RecordHeader{Key: header[0], Value: []byte(header[1])}
		})
		course.Check(client.ProduceSync(always, outgoing).FirstErr())
	}
	return course.Each(read(len(sent)), func(each *kgo.Record) course.Record {
		headers := course.Each(each.Headers, func(header kgo.RecordHeader) [2]string { return [2]string{header.Key, string(header.Value)} })
		return course.Record{Key: string(each.Key), Value: string(each.Value), Headers: headers, TimestampMs: each.Timestamp.UnixMilli()}
	})
}

func compression(given []byte) any {
	wanted := course.Given[course.Compression](given)
	send(wanted.Values, kgo.ProducerBatchCompression(codecs[wanted.Codec]), kgo.ProducerLinger(200*time.Millisecond))
	return valuesOf(read(len(wanted.Values)))
}

// member is one of a group.
type member struct {
	client  *kgo.Client
	stop    context.CancelFunc
	stopped chan struct{}
	count   atomic.Int32
}

func (member *member) Partitions() int { return int(member.count.Load()) }

func (member *member) Stop() {
	member.stop()
	<-member.stopped
	member.client.Close()
}

func group() []kgo.Opt {
	return []kgo.Opt{
		kgo.ConsumerGroup(course.Name), kgo.ConsumeTopics(course.Name), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
}

func join(read *course.Read) course.Member {
	running, stop := context.WithCancel(always)
	joined := &member{stop: stop, stopped: make(chan struct{})}
	change := func(sign int32) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			joined.count.Add(sign * int32(len(partitions[course.Name])))
		}
	}
	options := append(group(), kgo.OnPartitionsAssigned(change(1)), kgo.OnPartitionsRevoked(change(-1)), kgo.OnPartitionsLost(change(-1)))
	joined.client = open(options...)
	go func() {
		defer close(joined.stopped)
		for running.Err() == nil {
			joined.client.PollFetches(running).EachRecord(func(record *kgo.Record) { read.Add(string(record.Value)) })
		}
	}()
	return joined
}

func take(count int) []string {
	client := open(group()...)
	defer client.Close()
	values := valuesOf(poll(client, count, 0))
	course.Check(client.CommitUncommittedOffsets(always))
	return values
}

func transactions(given []byte) any {
	client := open(kgo.TransactionalID(course.Name))
	defer client.Close()
	committed := 0
	for _, outcome := range course.Given[[]course.Outcome](given) {
		course.Check(client.BeginTransaction())
		for _, value := range outcome.Values {
			course.Check(client.ProduceSync(always, record(value)).FirstErr())
		}
		sendOffset(client, outcome.Offset)
		course.Check(client.EndTransaction(always, kgo.TransactionEndTry(outcome.Ends == "committed")))
		if outcome.Ends == "committed" {
			committed += len(outcome.Values)
		}
	}
	return valuesOf(read(committed, kgo.FetchIsolationLevel(kgo.ReadCommitted())))
}

// sendOffset puts an offset of the group into the transaction: its sessions do that with what they have read, and nothing is read here.
func sendOffset(client *kgo.Client, offset int64) {
	id, epoch, err := client.ProducerID(always)
	course.Check(err)
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = course.Name, id, epoch, course.Name
	added, err := add.RequestWith(always, client)
	course.Check(err)
	course.Check(kerr.ErrorForCode(added.ErrorCode))
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.ProducerID, commit.ProducerEpoch, commit.Group = course.Name, id, epoch, course.Name
	partition := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	partition.Offset = offset
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic, topic.Partitions = course.Name, []kmsg.TxnOffsetCommitRequestTopicPartition{partition}
	commit.Topics = []kmsg.TxnOffsetCommitRequestTopic{topic}
	answer, err := commit.RequestWith(always, client)
	course.Check(err)
	course.Check(kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode))
}

func admin() any {
	client := open()
	defer client.Close()
	admin := kadm.NewClient(client)
	before, after := "12345", "54321"
	return course.Administer(course.Topic{
		Create: func() {
			answer, err := admin.CreateTopic(always, 2, 1, map[string]*string{"retention.ms": &before}, course.Name)
			course.Check(err)
			course.Check(answer.Err)
		},
		Partitions: func() int {
			topics, err := admin.ListTopics(always)
			course.Check(err)
			return len(topics[course.Name].Partitions)
		},
		Retention: func() string {
			settings, err := admin.DescribeTopicConfigs(always, course.Name)
			course.Check(err)
			for _, setting := range settings[0].Configs {
				if setting.Key == "retention.ms" {
					return setting.MaybeValue()
				}
			}
			return "none"
		},
		AddPartition: func() {
			answers, err := admin.UpdatePartitions(always, 3, course.Name)
			course.Check(err)
			course.Check(answers.Error())
		},
		Alter: func() {
			changes := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &after}}
			answers, err := admin.AlterTopicConfigs(always, changes, course.Name)
			course.Check(err)
			course.Check(answers[0].Err)
		},
		Remove: func() {
			answers, err := admin.DeleteTopics(always, course.Name)
			course.Check(err)
			course.Check(answers.Error())
		},
	})
}

func times(given []byte) any {
	client := open()
	defer client.Close()
	admin := kadm.NewClient(client)
	after, err := admin.ListOffsetsAfterMilli(always, course.Given[int64](given), course.Name)
	course.Check(err)
	ends, err := admin.ListEndOffsets(always, course.Name)
	course.Check(err)
	offset, _ := after.Lookup(course.Name, 0)
	end, _ := ends.Lookup(course.Name, 0)
	return map[string]int64{"offset": offset.Offset, "end": end.Offset}
}
