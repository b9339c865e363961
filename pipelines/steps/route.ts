// `route: [ { when: level == "error", to: [alarms, search] }, { to: search } ]`: where a record goes, out of what the pipeline has under `to`. The first rule
// that fits decides; a rule without `when` fits always; `to: []` drops. What no rule fits goes to the targets that no rule names. Each edge looks at its own
// share: what goes elsewhere counts there as dropped by rule. A replay into another sink takes what is dropped nowhere.
import { z } from 'zod';
import { suggest } from '../diagnostics.ts';
import type { Path } from '../source.ts';
import { defineStep, type StepContext } from './definition.ts';
import type { Event } from './step.ts';

const rule = z.strictObject({
  when: z.string().optional().describe('the rule fits where this is true; always when it is left out'),
  to: z
    .union([z.string(), z.array(z.string())], 'a target, or a list of them')
    .describe("targets out of the pipeline's own; [] drops"),
});

interface Rule {
  when: (event: Event) => boolean;
  targets: ReadonlySet<string>;
}

export const route = defineStep({
  name: 'route',
  summary: "sends records to some of the pipeline's targets: the first rule that fits decides",
  settings: z.array(rule).min(1),
  compile(settings, context) {
    const rules = settings.map(({ when, to }, index): Rule => {
      const condition = when === undefined ? () => true : context.condition([index, 'when'], when);
      if (when === undefined && index < settings.length - 1)
        context.fail(
          [index],
          'this rule fits always, so those below it are never looked at: give it a when, or put it last',
        );
      const names = typeof to === 'string' ? [to] : to;
      for (const [position, name] of names.entries())
        checkTarget(name, typeof to === 'string' ? [index, 'to'] : [index, 'to', position], context);
      return { when: condition ?? (() => false), targets: new Set(names) };
    });
    const named = new Set(rules.flatMap(({ targets }) => [...targets]));
    const others = new Set(context.targets.filter((target) => !named.has(target)));
    if (others.size === 0 && settings.at(-1)?.when !== undefined)
      context.fail(
        [settings.length - 1],
        'what none of these rules fits would go nowhere: end with "- to: TARGET", or with "- to: []" to drop it',
      );
    const known = new Set(context.targets);
    return {
      apply(event) {
        const targets = rules.find(({ when }) => when(event))?.targets ?? others;
        const goesHere =
          event.target === undefined || !known.has(event.target) ? targets.size > 0 : targets.has(event.target);
        return goesHere ? 'keep' : 'drop';
      },
    };
  },
});

function checkTarget(name: string, at: Path, context: StepContext): void {
  const { targets } = context;
  if (targets.includes(name)) return;
  const near = targets.find((target) => target === `topic:${name}`);
  const hint = near === undefined ? suggest(name, targets) : ` (did you mean "${near}"?)`;
  context.fail(
    at,
    `"${name}" is not among the targets of this pipeline, ${targets.join(', ')}${hint}; put it there first`,
  );
}
