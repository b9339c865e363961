// The topics of the log, as consumer groups look at them: by name, and by regular expression. Expressions are compiled once, and matched again only
// when the topics have changed.
import { messageOf } from '../../base/errors.ts';
import { compilePattern, type Pattern } from '../../base/regex.ts';
import type { LogDirectory } from '../log/contract.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type { SubscribedTopic, TopicsView } from './consumer-group-state.ts';

/** Expressions that are kept compiled; beyond it all are forgotten. */
const mostExpressions = 1000;

interface Expression {
  readonly pattern: Pattern;
  names: readonly string[];
  matched: ReadonlySet<string>;
}

export class LogTopics implements TopicsView {
  private readonly log: LogDirectory;
  private readonly expressions = new Map<string, Expression>();

  constructor(log: LogDirectory) {
    this.log = log;
  }

  topic(name: string): SubscribedTopic | undefined {
    const topic = this.log.topic(name);
    return topic && { topicId: topic.topicId.toString('hex'), partitions: topic.partitions };
  }

  matching(regex: string): ReadonlySet<string> {
    const expression = this.expression(regex);
    const names = this.log.topics().map(({ name }) => name);
    const { names: known, pattern } = expression;
    if (names.length !== known.length || names.some((name, index) => name !== known[index])) {
      expression.names = names;
      expression.matched = new Set(names.filter((name) => pattern.test(name)));
    }
    return expression.matched;
  }

  private expression(regex: string): Expression {
    let expression = this.expressions.get(regex);
    if (expression === undefined) {
      if (this.expressions.size >= mostExpressions) this.expressions.clear();
      expression = { pattern: compileWhole(regex), names: [], matched: new Set() };
      this.expressions.set(regex, expression);
    }
    return expression;
  }
}

/** A pattern that holds for whole names, as Kafka's does. */
function compileWhole(regex: string): Pattern {
  try {
    // By itself first: inside the parentheses, one too many would go unnoticed.
    compilePattern(regex);
    return compilePattern(`^(?:${regex})$`);
  } catch (error) {
    throw new KafkaError(ErrorCode.INVALID_REGULAR_EXPRESSION, messageOf(error), { cause: error });
  }
}
