/**
 * Crashes: a volume crashed at every write of many workloads, and (kill/) a process that works on one, killed for real at
 * random moments.
 */
export {
  type Campaign,
  type CampaignOptions,
  runCampaign,
  WORKLOAD_KINDS,
  type WorkloadKind,
} from './campaign.ts'
export { type CrashReplay, type CrashViolation, replayCrash } from './explore.ts'
export { PLANTED, plantedNamed } from './planted.ts'
