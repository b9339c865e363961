// Expressions in steps: CEL's grammar (parsed by cel-js, within limits) over one record, compiled to closures, since a filter runs on every
// line. Names are the record's fields; `message` is the raw line when nothing was parsed; `meta` tells where the record came from; `fields`
// is all fields, for names that are no identifiers: `fields["http.status"]`. No clock, no process, no assignment.
//
// Meaning, where it differs from CEL or completes it:
// - A missing field (or one of something that is no map) is missing, not an error: it equals nothing but null, is in nothing, has no order,
//   counts as false in conditions, and whatever is computed or called from it is missing too. So `level == "debug"` is false on a record
//   without level, `level != "debug"` is true, and has(level) tells the two apart.
// - Different kinds are never equal; comparing their order or adding them is an error (StepError; `on_error` decides), as is a condition
//   that is neither true nor false.
// - Numbers are doubles. `/` and `%` of two whole numbers stay whole, as CEL's int, unless an operand is written as a double (2.0, double(x)).
// - matches() takes a pattern written in the expression, and runs in linear time (./regex.ts).
import { type ASTNode, Environment, ParseError } from '@marcbachmann/cel-js';
import { messageOf } from '../base/errors.ts';
import { suggest } from './diagnostics.ts';
import { callFunction, functionNames } from './expression-functions.ts';
import { arithmetic, compare, equals, isMap, kindOf, type Scope, truth, type Value } from './expression-values.ts';
import { compilePattern } from '../base/regex.ts';
import type { Event } from './steps/step.ts';

/** An expression that cannot be compiled. `start` and `length` are characters of its text. */
export class ExpressionError extends Error {
  readonly start: number;
  readonly length: number;

  constructor(message: string, start: number, length: number) {
    super(message);
    this.name = 'ExpressionError';
    this.start = start;
    this.length = Math.max(1, length);
  }
}

export interface Expression {
  readonly source: string;
  /** The name, where the whole expression is one bare name: likely a text without its quotes. */
  readonly bareName: string | undefined;
  /** Undefined when missing. Throws StepError. */
  evaluate: (event: Event) => Value;
}

const limits = { maxAstNodes: 1000, maxDepth: 50, maxListElements: 500, maxMapEntries: 100, maxCallArguments: 8 };
const parser = new Environment({ unlistedVariablesAreDyn: true, limits });

/** Throws ExpressionError. */
export function compileExpression(source: string): Expression {
  const tree = parse(source);
  const compiler = new Compiler();
  const run = compiler.compile(tree);
  const localCount = compiler.localCount;
  return {
    source,
    bareName: tree.op === 'id' ? tree.args : undefined,
    evaluate: (event) => run({ event, locals: localCount === 0 ? noLocals : new Array<Value>(localCount) }),
  };
}

/** A condition: true or false, missing counts as false. The function throws StepError; compiling throws ExpressionError. */
export function compileCondition(source: string): (event: Event) => boolean {
  const tree = parse(source);
  const never = neverBoolean(tree);
  if (never !== undefined)
    throw new ExpressionError(`a condition must be true or false, this is ${never}`, tree.start, tree.end - tree.start);
  const { evaluate } = compileExpression(source);
  return (event) => truth(evaluate(event));
}

const noLocals: Value[] = [];

function parse(source: string): ASTNode {
  if (source.trim() === '') throw new ExpressionError('the expression is empty', 0, 1);
  try {
    return parser.parse(source).ast;
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const start = error.range?.start ?? 0;
    const end = error.range?.end ?? start + 1;
    const hint = error.summary.endsWith('character: =') ? ' (equality is written ==)' : '';
    throw new ExpressionError(
      lowerFirst(error.summary).replace('token: EOF', 'end of the expression') + hint,
      start,
      end - start,
    );
  }
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

function neverBoolean(node: ASTNode): string | undefined {
  if (node.op === 'value' && typeof node.args !== 'boolean') return kindOf(literal(node));
  if (node.op === 'list') return 'a list';
  if (node.op === 'map') return 'a map';
  return ['+', '-', '*', '/', '%', '-_'].includes(node.op) ? 'a computed value' : undefined;
}

type Run = (scope: Scope) => Value;

const macros = new Set(['all', 'exists', 'exists_one', 'filter', 'map']);

class Compiler {
  localCount = 0;
  private readonly locals = new Map<string, number>();

  compile(node: ASTNode): Run {
    switch (node.op) {
      case 'value': {
        const value = literal(node);
        return () => value;
      }
      case 'id':
        if (node.args === 'meta' && !this.locals.has('meta'))
          throw refuse(node, `meta is used by its parts: ${metaList}`);
        return this.name(node.args);
      case '.':
        if (node.args[0].op === 'id' && node.args[0].args === 'meta' && !this.locals.has('meta'))
          return metaPart(node, node.args[1]);
        return member(this.compile(node.args[0]), node.args[1]);
      case '[]':
        return index(this.compile(node.args[0]), this.compile(node.args[1]));
      case '&&':
      case '||':
        return logical(node.op === '||', this.compile(node.args[0]), this.compile(node.args[1]));
      case '!_': {
        const operand = this.compile(node.args);
        return (scope) => !truth(operand(scope));
      }
      case '-_': {
        const operand = this.compile(node.args);
        return (scope) => arithmetic('-', 0, operand(scope), false);
      }
      case '?:': {
        const [condition, yes, no] = node.args.map((part) => this.compile(part)) as [Run, Run, Run];
        return (scope) => (truth(condition(scope)) ? yes(scope) : no(scope));
      }
      case 'list': {
        const items = node.args.map((item) => this.compile(item));
        return (scope) => items.map((item) => item(scope) ?? null);
      }
      case 'map': {
        const entries = node.args.map(([key, value]) => [this.compile(key), this.compile(value)] as const);
        return (scope) =>
          Object.fromEntries(entries.map(([key, value]) => [mapKey(key(scope)), value(scope) ?? null] as const));
      }
      case 'call':
        return this.call(node, node.args[0], node.args[1], undefined);
      case 'rcall':
        return this.call(node, node.args[0], node.args[2], node.args[1]);
      case '.?':
      case '[?]':
        throw refuse(node, 'optional access is not needed here: a missing field is missing, not an error');
      default:
        return this.binary(node.op, node.args);
    }
  }

  private name(name: string): Run {
    const local = this.locals.get(name);
    if (local !== undefined) return ({ locals }) => locals[local];
    if (name === 'fields') return ({ event }) => event.fields as Value;
    if (name === 'message')
      return ({ event }) => {
        const { fields } = event;
        return Object.hasOwn(fields, 'message') ? (fields['message'] as Value) : event.message;
      };
    return ({ event }) => {
      const { fields } = event;
      return Object.hasOwn(fields, name) ? (fields[name] as Value) : undefined;
    };
  }

  private binary(op: BinaryOperator, [leftNode, rightNode]: [ASTNode, ASTNode]): Run {
    const left = this.compile(leftNode);
    const right = this.compile(rightNode);
    switch (op) {
      case '==':
        return (scope) => equals(left(scope), right(scope));
      case '!=':
        return (scope) => !equals(left(scope), right(scope));
      case 'in':
        return (scope) => contains(left(scope), right(scope));
      case '<':
      case '<=':
      case '>':
      case '>=':
        return (scope) => compare(op, left(scope), right(scope));
      default: {
        const real = isReal(leftNode) || isReal(rightNode);
        return (scope) => arithmetic(op, left(scope), right(scope), real);
      }
    }
  }

  private call(node: ASTNode, name: string, args: ASTNode[], receiver: ASTNode | undefined): Run {
    if (receiver !== undefined && macros.has(name)) return this.macro(node, name, args, this.compile(receiver));
    const all = receiver === undefined ? args : [receiver, ...args];
    if (name === 'has') return this.presence(node, all);
    if (name === 'matches') return this.matches(node, all);
    const call = callFunction(name, all.length);
    if (call === 'unknown') throw refuse(node, `there is no function ${name}()${suggest(name, functionNames())}`);
    if (call === 'arguments') throw refuse(node, `${name}() does not take ${all.length} argument(s)`);
    const runs = all.map((argument) => this.compile(argument));
    return (scope) => {
      const values = runs.map((run) => run(scope));
      return values.includes(undefined) ? undefined : call(values);
    };
  }

  private presence(node: ASTNode, args: ASTNode[]): Run {
    const [argument] = args;
    if (args.length !== 1 || argument === undefined || !['id', '.', '[]'].includes(argument.op))
      throw refuse(node, 'has() takes one field, as in has(user.name)');
    const run = this.compile(argument);
    return (scope) => run(scope) !== undefined;
  }

  private matches(node: ASTNode, args: ASTNode[]): Run {
    const [textNode, patternNode] = args;
    if (args.length !== 2 || textNode === undefined || patternNode === undefined)
      throw refuse(node, 'matches() takes a text and a pattern');
    if (patternNode.op !== 'value' || typeof patternNode.args !== 'string')
      throw refuse(patternNode, 'the pattern of matches() must be written out, so that it can be checked beforehand');
    const text = this.compile(textNode);
    let pattern: ReturnType<typeof compilePattern>;
    try {
      pattern = compilePattern(patternNode.args);
    } catch (error) {
      throw refuse(patternNode, messageOf(error));
    }
    return (scope) => {
      const value = text(scope);
      return value === undefined ? undefined : typeof value === 'string' && pattern.test(value);
    };
  }

  /** list.exists(x, condition) and its kin; a map is walked by its keys. */
  private macro(node: ASTNode, name: string, args: ASTNode[], over: Run): Run {
    const [variable, bodyNode] = args;
    if (args.length !== 2 || variable?.op !== 'id' || bodyNode === undefined)
      throw refuse(node, `${name}() takes a name and an expression, as in tags.${name}(tag, tag == "x")`);
    const hidden = this.locals.get(variable.args);
    const slot = this.localCount++;
    this.locals.set(variable.args, slot);
    const body = this.compile(bodyNode);
    if (hidden === undefined) this.locals.delete(variable.args);
    else this.locals.set(variable.args, hidden);
    return (scope) => {
      const list = over(scope);
      if (list === undefined) return undefined;
      const items = Array.isArray(list) ? list : isMap(list) ? Object.keys(list) : [];
      const each = (item: Value) => {
        scope.locals[slot] = item;
        return body(scope);
      };
      if (name === 'all') return items.every((item) => truth(each(item)));
      if (name === 'exists') return items.some((item) => truth(each(item)));
      if (name === 'map') return items.map((item) => each(item) ?? null);
      const found = items.filter((item) => truth(each(item)));
      return name === 'filter' ? found : found.length === 1;
    };
  }
}

type BinaryOperator = '==' | '!=' | 'in' | '<' | '<=' | '>' | '>=' | '+' | '-' | '*' | '/' | '%';

function refuse(node: ASTNode, message: string): ExpressionError {
  return new ExpressionError(message, node.start, node.end - node.start);
}

function literal(node: ASTNode): Value {
  const value = node.op === 'value' ? node.args : undefined;
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number')
    return value;
  if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) return Number(value);
  throw refuse(node, 'only texts, numbers up to 9007199254740991, true, false and null can be written here');
}

function mapKey(value: Value): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}

/** Whether the value is a double by the way it is written; whole numbers divide as whole numbers otherwise. */
function isReal(node: ASTNode): boolean {
  if (node.op === 'value') return typeof node.args === 'number';
  if (node.op === 'call') return node.args[0] === 'double';
  if (node.op === '-_') return isReal(node.args);
  if (['+', '-', '*', '/'].includes(node.op)) return (node.args as [ASTNode, ASTNode]).some(isReal);
  return false;
}

function member(object: Run, name: string): Run {
  return (scope) => {
    const value = object(scope);
    return isMap(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  };
}

function index(object: Run, key: Run): Run {
  return (scope) => {
    const value = object(scope);
    const at = key(scope);
    if (Array.isArray(value)) return typeof at === 'number' ? value[at] : undefined;
    return isMap(value) && typeof at === 'string' && Object.hasOwn(value, at) ? value[at] : undefined;
  };
}

const metaNames = ['topic', 'partition', 'offset', 'time', 'path', 'host', 'position'] as const;
const metaList = metaNames.map((name) => `meta.${name}`).join(', ');

/** `meta.time` is the record's time in milliseconds. Parts are read one by one: path and host cost a look-up. */
function metaPart(node: ASTNode, name: string): Run {
  const known = metaNames.find((candidate) => candidate === name);
  if (known === undefined)
    throw refuse(node, `there is no meta.${name}${suggest(name, metaNames)}; there are ${metaList}`);
  if (known === 'time') return ({ event }) => event.timestampMs;
  return ({ event }) => event.meta[known];
}

/** As in CEL, an error on one side does not matter when the other side decides. */
function logical(decisive: boolean, left: Run, right: Run): Run {
  return (scope) => {
    let failure: unknown;
    try {
      if (truth(left(scope)) === decisive) return decisive;
    } catch (error) {
      failure = error;
    }
    const result = truth(right(scope));
    if (result !== decisive && failure !== undefined) throw failure as Error;
    return result;
  };
}

function contains(item: Value, container: Value): boolean {
  if (item === undefined) return false;
  if (Array.isArray(container)) return container.some((element) => equals(item, element));
  return isMap(container) && typeof item === 'string' && Object.hasOwn(container, item);
}
