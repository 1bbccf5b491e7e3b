/** Kills, for real: a process that works on a volume, killed at random moments, and what it had promised. */
export { type Campaign, type KillReport, killCampaign } from './campaign.ts'
