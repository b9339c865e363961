// segmentio's kafka-go: the scenarios of features.ts that it has; its writer knows no transactions.
package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"conformance/course"

	"github.com/segmentio/kafka-go"
)

var codecs = map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}

var always = context.Background()

func main() {
	plain := func(values []string) { send(values, 0) }
	course.Run("github.com/segmentio/kafka-go", map[string]func([]byte) any{
		"records":     records,
		"compression": compression,
		"rebalance":   func(given []byte) any { return course.Rebalance(given, join, plain) },
		"resume":      func(given []byte) any { return course.Resume(given, plain, take) },
		"admin":       func([]byte) any { return admin() },
		"times":       times,
	})
}

func write(messages []kafka.Message, codec kafka.Compression) {
	writer := &kafka.Writer{
		Addr: kafka.TCP(course.Broker), Topic: course.Name, RequiredAcks: kafka.RequireAll,
		Compression: codec, BatchSize: len(messages), BatchTimeout: 200 * time.Millisecond,
	}
	course.Check(writer.WriteMessages(always, messages...))
	course.Check(writer.Close())
}

func send(values []string, codec kafka.Compression) {
	messages := course.Each(values, func(value string) kafka.Message { return kafka.Message{Value: []byte(value)} })
	write(messages, codec)
}

func partitionReader(partition int) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{course.Broker}, Topic: course.Name, Partition: partition, MaxWait: 200 * time.Millisecond,
	})
}

// read takes `count` messages of partition 0 from its beginning, and what comes within a second behind them.
func read(count int) (found []kafka.Message) {
	reader := partitionReader(0)
	defer reader.Close()
	for {
		patience := time.Minute
		if len(found) >= count {
			patience = time.Second
		}
		waiting, stop := context.WithTimeout(always, patience)
		message, err := reader.ReadMessage(waiting)
		stop()
		if errors.Is(err, context.DeadlineExceeded) {
			return found
		}
		course.Check(err)
		found = append(found, message)
	}
}

func records(given []byte) any {
	sent := course.Given[[]course.Record](given)
	write(course.Each(sent, func(each course.Record) kafka.Message {
		headers := course.Each(each.Headers, func(header [2]string) kafka.Header {
			return kafka.Header{Key: header[0], Value: []byte(header[1])}
		})
		return kafka.Message{Key: []byte(each.Key), Value: []byte(each.Value), Headers: headers, Time: time.UnixMilli(each.TimestampMs)}
	}), 0)
	return course.Each(read(len(sent)), func(each kafka.Message) course.Record {
		headers := course.Each(each.Headers, func(header kafka.Header) [2]string { return [2]string{header.Key, string(header.Value)} })
		return course.Record{Key: string(each.Key), Value: string(each.Value), Headers: headers, TimestampMs: each.Time.UnixMilli()}
	})
}

func compression(given []byte) any {
	wanted := course.Given[course.Compression](given)
	send(wanted.Values, codecs[wanted.Codec])
	return course.Each(read(len(wanted.Values)), func(each kafka.Message) string { return string(each.Value) })
}

// member is one of a group, of the kind that tells its assignment.
type member struct {
	group *kafka.ConsumerGroup
	count atomic.Int32
}

func (member *member) Partitions() int { return int(member.count.Load()) }

func (member *member) Stop() { course.Check(member.group.Close()) }

func join(read *course.Read) course.Member {
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: course.Name, Brokers: []string{course.Broker}, Topics: []string{course.Name}, StartOffset: kafka.FirstOffset,
	})
	course.Check(err)
	joined := &member{group: group}
	go func() {
		for {
			generation, err := group.Next(always)
			if errors.Is(err, kafka.ErrGroupClosed) {
				return
			}
			if err != nil {
				continue
			}
			assigned := generation.Assignments[course.Name]
			joined.count.Store(int32(len(assigned)))
			for _, partition := range assigned {
				generation.Start(func(running context.Context) {
					reader := partitionReader(partition.ID)
					defer reader.Close()
					course.Check(reader.SetOffset(partition.Offset))
					for {
						message, err := reader.ReadMessage(running)
						if err != nil {
							return
						}
						read.Add(string(message.Value))
					}
				})
			}
		}
	}()
	return joined
}

func take(count int) []string {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{course.Broker}, GroupID: course.Name, Topic: course.Name,
		StartOffset: kafka.FirstOffset, MaxWait: 200 * time.Millisecond,
	})
	values, messages := []string{}, []kafka.Message{}
	for len(values) < count {
		waiting, stop := context.WithTimeout(always, time.Minute)
		message, err := reader.FetchMessage(waiting)
		stop()
		course.Check(err)
		values, messages = append(values, string(message.Value)), append(messages, message)
	}
	course.Check(reader.CommitMessages(always, messages...))
	course.Check(reader.Close())
	return values
}

func admin() any {
	client := &kafka.Client{Addr: kafka.TCP(course.Broker)}
	setting := []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "12345"}}
	return course.Administer(course.Topic{
		Create: func() {
			topic := kafka.TopicConfig{Topic: course.Name, NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: setting}
			answer, err := client.CreateTopics(always, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}})
			course.Check(err)
			course.Check(answer.Errors[course.Name])
		},
		Partitions: func() int {
			answer, err := client.Metadata(always, &kafka.MetadataRequest{})
			course.Check(err)
			for _, topic := range answer.Topics {
				if topic.Name == course.Name {
					return len(topic.Partitions)
				}
			}
			return 0
		},
		Retention: func() string {
			asked := kafka.DescribeConfigRequestResource{
				ResourceType: kafka.ResourceTypeTopic, ResourceName: course.Name, ConfigNames: []string{"retention.ms"},
			}
			answer, err := client.DescribeConfigs(always, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{asked}})
			course.Check(err)
			return answer.Resources[0].ConfigEntries[0].ConfigValue
		},
		AddPartition: func() {
			wanted := kafka.TopicPartitionsConfig{Name: course.Name, Count: 3}
			answer, err := client.CreatePartitions(always, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{wanted}})
			course.Check(err)
			course.Check(answer.Errors[course.Name])
		},
		Alter: func() {
			change := kafka.IncrementalAlterConfigsRequestConfig{
				Name: "retention.ms", Value: "54321", ConfigOperation: kafka.ConfigOperationSet,
			}
			altered := kafka.IncrementalAlterConfigsRequestResource{
				ResourceType: kafka.ResourceTypeTopic, ResourceName: course.Name, Configs: []kafka.IncrementalAlterConfigsRequestConfig{change},
			}
			answer, err := client.IncrementalAlterConfigs(always, &kafka.IncrementalAlterConfigsRequest{
				Resources: []kafka.IncrementalAlterConfigsRequestResource{altered},
			})
			course.Check(err)
			course.Check(answer.Resources[0].Error)
		},
		Remove: func() {
			answer, err := client.DeleteTopics(always, &kafka.DeleteTopicsRequest{Topics: []string{course.Name}})
			course.Check(err)
			course.Check(answer.Errors[course.Name])
		},
	})
}

func times(given []byte) any {
	client := &kafka.Client{Addr: kafka.TCP(course.Broker)}
	asked := func(request kafka.OffsetRequest) kafka.PartitionOffsets {
		topics := map[string][]kafka.OffsetRequest{course.Name: {request}}
		answer, err := client.ListOffsets(always, &kafka.ListOffsetsRequest{Topics: topics})
		course.Check(err)
		course.Check(answer.Topics[course.Name][0].Error)
		return answer.Topics[course.Name][0]
	}
	offset := int64(-1)
	for each := range asked(kafka.TimeOffsetOf(0, time.UnixMilli(course.Given[int64](given)))).Offsets {
		offset = each
	}
	return map[string]int64{"offset": offset, "end": asked(kafka.LastOffsetOf(0)).LastOffset}
}
