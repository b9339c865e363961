// Settings of topics and of the broker as DescribeConfigs, CreateTopics and IncrementalAlterConfigs show them: value, where it comes from,
// type, and the chain of what it would fall back to.
import { brokerSettings } from '../config.ts';
import type { TopicDescription } from '../log/contract.ts';
import { type SettingType, topicSettings } from '../log/settings.ts';
import type { HandlerContext } from './handler.ts';

/** Kafka's numbers of where a value comes from. */
export const configSource = { topic: 1, staticBroker: 4, default: 5 } as const;
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
    const synonyms: ConfigEntry['synonyms'] = [];
    const own = topic.configs[setting.name];
    if (own !== undefined) synonyms.push({ name: setting.name, value: own, source: configSource.topic });
    const brokerName = brokerNames.get(setting.name);
    if (brokerName !== undefined && !broker.settings.isDefault(brokerName)) {
      const value = broker.settings.text(brokerName);
      synonyms.push({ name: brokerName, value, source: configSource.staticBroker });
    }
    synonyms.push({ name: brokerName ?? setting.name, value: setting.default, source: configSource.default });
    const { value, source } = synonyms[0]!;
    return {
      ...{ name: setting.name, value, readOnly: false, configSource: source, synonyms },
      ...{ configType: typeNumbers[setting.type], documentation: setting.doc },
    };
  });
}

/** Every setting of the broker, with its value. They are set in the configuration, so none can be changed by request. */
export function brokerSettingsOf({ broker }: HandlerContext): ConfigEntry[] {
  return Object.entries(brokerSettings).map(([name, setting]) => {
    const synonyms: ConfigEntry['synonyms'] = [];
    const value = broker.settings.text(name);
    if (!broker.settings.isDefault(name)) synonyms.push({ name, value, source: configSource.staticBroker });
    synonyms.push({ name, value: String(setting.default), source: configSource.default });
    return {
      ...{ name, value, readOnly: true, configSource: synonyms[0]!.source, synonyms },
      ...{ configType: typeNumbers[setting.type], documentation: setting.doc },
    };
  });
}
