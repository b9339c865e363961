import { describe, expect, it } from 'vitest';
import { compileCondition, compileExpression, ExpressionError } from '../../pipelines/expression.ts';
import { StepError } from '../../pipelines/steps/step.ts';
import { TestEvent } from '../support/planning.ts';

const fields = {
  level: 'debug',
  status: 200,
  ratio: 2.5,
  tags: ['a', 'b'],
  user: { name: 'alice', age: 7 },
  'http.status': 500,
  ok: true,
  nothing: null,
};

function evaluate(source: string): unknown {
  const event = new TestEvent('the raw line');
  event.fields = structuredClone(fields);
  return compileExpression(source).evaluate(event);
}

describe('expressions', () => {
  it.each<[string, unknown]>([
    ['level == "debug"', true],
    ['status >= 200 && status < 300', true],
    ['status in [200, 204]', true],
    ['"a" in tags && !("c" in tags)', true],
    ['"name" in user', true],
    ['user.name.startsWith("al") && user.name.endsWith("e") && user.name.contains("lic")', true],
    ['status / 100', 2],
    ['-status % 3', -2],
    ['status / 300', 0],
    ['status / 300.0 > 0.6', true],
    ['double(status) / 400', 0.5],
    ['string(status / 100) + "xx"', '2xx'],
    ['ratio + 1', 3.5],
    ['int("42") + int(2.9)', 44],
    ['double("1e3")', 1000],
    ['bool("true")', true],
    ['size("aé😀") + size(tags) + size(user)', 7],
    ['tags.exists(t, t == "b") && tags.all(t, size(t) == 1)', true],
    ['tags.exists_one(t, t > "a")', true],
    ['tags.map(t, t + status.string())', ['a200', 'b200']],
    ['tags.filter(t, t != "a")', ['b']],
    [
      'tags.map(x, tags.map(y, x + y))',
      [
        ['aa', 'ab'],
        ['ba', 'bb'],
      ],
    ],
    ['tags[1]', 'b'],
    ['user["name"]', 'alice'],
    ['fields["http.status"]', 500],
    ['ok ? "yes" : "no"', 'yes'],
    ['{"a": status, "b": [level]}', { a: 200, b: ['debug'] }],
    ['{"a": 1} == {"a": 1}', true],
    ['[1, 2] == [1, 2] && [1] != [2]', true],
    ['message', 'the raw line'],
    ['message.matches("^the\\\\s")', true],
    ['meta.topic + meta.path', 't/var/log/x'],
    ['meta.time', Date.UTC(2026, 10, 22)],
    ['"A,b".lowerAscii().split(",").join("-")', 'a-b'],
    ['"abcdef".substring(1, 3).upperAscii()', 'BC'],
    ['" x ".trim().replace("x", "$&")', '$&'],
    ['floor(2.7) + ceil(2.1) + round(2.5) + abs(-1)', 9],
  ])('%s', (source, expected) => {
    expect(evaluate(source)).toEqual(expected);
  });

  it.each<[string, unknown]>([
    ['absent == "x"', false],
    ['absent != "x"', true],
    ['absent == null', true],
    ['nothing == null', true],
    ['absent > 5', false],
    ['!(absent > 5)', true],
    ['absent', undefined],
    ['absent.deeper.still', undefined],
    ['level.name', undefined],
    ['absent + 1', undefined],
    ['size(absent)', undefined],
    ['absent.startsWith("x")', undefined],
    ['absent.exists(x, x == 1)', undefined],
    ['absent in ["x"]', false],
    ['"x" in absent', false],
    ['has(level) && !has(absent) && has(user.name) && !has(user.absent)', true],
    ['tags[9]', undefined],
    ['constructor', undefined],
    ['user.constructor', undefined],
    ['user.toString', undefined],
  ])('what is missing is no error: %s', (source, expected) => {
    expect(evaluate(source)).toEqual(expected);
  });

  it.each([
    ['level > 5', 'cannot compare a text with a number by >; int(…) makes a number of a text'],
    ['level + 1', 'cannot compute a text + a number; string(…) makes a text'],
    ['status / 0', 'division by zero'],
    ['int(level)', 'int() cannot make a number of "debug"'],
    ['status && true', 'the condition is a number, not true or false'],
    ['status.startsWith("x")', 'startsWith() needs a text, not a number'],
  ])('a mismatch of kinds is an error of the record: %s', (source, message) => {
    expect(() => evaluate(source)).toThrow(new StepError(message));
  });

  it('an error on one side does not matter when the other side decides', () => {
    expect(evaluate('level > 5 || ok')).toBe(true);
    expect(evaluate('ok || level > 5')).toBe(true);
    expect(evaluate('level > 5 && !ok')).toBe(false);
    expect(() => evaluate('level > 5 || !ok')).toThrow(StepError);
  });

  it.each([
    ['level = "x"', 'unexpected character: = (equality is written ==)', 6, 1],
    ['(level', 'expected RPAREN, got EOF', 6, 1],
    ['', 'the expression is empty', 0, 1],
    ['siez(tags)', 'there is no function siez() (did you mean "size"?)', 0, 10],
    ['size()', 'size() does not take 0 argument(s)', 0, 6],
    [
      'meta.pth',
      'there is no meta.pth (did you mean "path"?); there are meta.topic, meta.partition, meta.offset, meta.time, meta.path, meta.host, meta.position',
      0,
      8,
    ],
    [
      'matches(message, level)',
      'the pattern of matches() must be written out, so that it can be checked beforehand',
      17,
      5,
    ],
    ['has(1)', 'has() takes one field, as in has(user.name)', 0, 6],
    ['1u', 'only texts, numbers up to 9007199254740991, true, false and null can be written here', 0, 2],
  ])('refuses %s with its place', (source, message, start, length) => {
    const attempt = () => compileExpression(source);
    expect(attempt).toThrow(new ExpressionError(message, start, length));
    try {
      attempt();
    } catch (error) {
      expect(error).toMatchObject({ start, length });
    }
  });

  it('bounds its own size', () => {
    expect(() => compileExpression(Array(2000).fill('1').join('+'))).toThrow(ExpressionError);
    expect(() => compileExpression('('.repeat(200) + '1' + ')'.repeat(200))).toThrow(ExpressionError);
  });

  it('compiles the same list twice within itself without mixing variables', () => {
    expect(evaluate('tags.exists(t, t == "a") && tags.exists(t, t == "b") && !has(t)')).toBe(true);
  });
});

describe('conditions', () => {
  it('count what is missing as false', () => {
    expect(compileCondition('absent')(new TestEvent('x'))).toBe(false);
  });

  it('refuses what is never true or false', () => {
    expect(() => compileCondition('"debug"')).toThrow('a condition must be true or false, this is a text');
    expect(() => compileCondition('1 + 1')).toThrow('a condition must be true or false, this is a computed value');
  });
});
