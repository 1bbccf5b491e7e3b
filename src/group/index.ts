/** cgroup2's names over the counters and limits of io and memory, and how much time groups lose to waiting. */
export { type GroupParts, Groups, type Settings } from './groups.ts'
export type { IoLatencySetting, IoMaxSetting, IoProtectSetting, IoWeightSetting } from './io-keys.ts'
export { type Kind, Pressure, PressureWatcher, type Resource } from './pressure.ts'
export { didYouMean, nearest, SettingError, shown } from './setting-error.ts'
export { parseBytes, type Size } from './size.ts'
