// Settings of topics and of the broker as DescribeConfigs, CreateTopics and IncrementalAlterConfigs show them: value, where it comes from,
// type, and the chain of what it would fall back to.
import { brokerSettings, type SettingDefinition, type SettingOrigin } from '../config.ts';
import type { TopicDescription } from '../log/contract.ts';
import { type SettingType, topicSettings } from '../log/settings.ts';
import type { HandlerContext } from './handler.ts';

/** Kafka's numbers of where a value comes from. */
const configSource: Record<SettingOrigin | 'topic', number> = {
  ...{ topic: 1, broker: 2, cluster: 3, configuration: 4, default: 5 },
};
/** Kafka's numbers of the types of settings (KIP-569). */
const typeNumbers: Record<SettingType, number> = {
  ...{ boolean: 1, string: 2, int: 3, long: 5, double: 6, list: 7 },
};

export interface ConfigEntry {
  name: string;
  value: string;
  readOnly: boolean;
  configSource: number;
  configType: number;
  documentation: string;
  synonyms: { name: string; value: string; source: number }[];
}

/** Broker settings by the topic setting whose default they give. */
const brokerNames = new Map(
  Object.entries(brokerSettings).flatMap(([name, { topicSetting }]) =>
    topicSetting === undefined ? [] : [[topicSetting, name] as const],
  ),
);

/** Every setting of a topic, with its value. */
export function topicSettingsOf(topic: Pick<TopicDescription, 'configs'>, { broker }: HandlerContext): ConfigEntry[] {
  return topicSettings.map((setting) => {
    const { name, type, doc } = setting;
    const own = topic.configs[name];
    const brokerName = brokerNames.get(name);
    const synonyms = [
      ...(own === undefined ? [] : [{ name, value: own, source: configSource.topic }]),
      ...(brokerName === undefined
        ? [{ name, value: setting.default, source: configSource.default }]
        : synonymsOf(brokerName, broker)),
    ];
    return { ...entryOf(name, type, doc, synonyms), readOnly: false };
  });
}

/** Every setting of this broker, with its value; for '' what was altered for all brokers. */
export function brokerSettingsOf(resourceName: string, { broker }: HandlerContext): ConfigEntry[] {
  return Object.entries(brokerSettings).flatMap(([name, { alterable, doc, type }]) => {
    const chain = synonymsOf(name, broker);
    const synonyms = resourceName === '' ? chain.filter(({ source }) => source === configSource.cluster) : chain;
    return synonyms.length === 0 ? [] : { ...entryOf(name, type, doc, synonyms), readOnly: alterable !== true };
  });
}

function synonymsOf(name: string, { settings }: HandlerContext['broker']): ConfigEntry['synonyms'] {
  return settings.chain(name).map(({ origin, value }) => ({ name, value, source: configSource[origin] }));
}

function entryOf(
  name: string,
  type: SettingDefinition['type'],
  documentation: string,
  synonyms: ConfigEntry['synonyms'],
): Omit<ConfigEntry, 'readOnly'> {
  const { value, source } = synonyms[0]!;
  return { name, value, configSource: source, configType: typeNumbers[type], documentation, synonyms };
}
