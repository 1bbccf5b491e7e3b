/** What is to be mounted, and for whom. */
export interface MountPlan {
  readonly source: string
  readonly target: string
  readonly readOnly: boolean
  /** Whether others than who mounts may enter. */
  readonly allowOther: boolean
  readonly uid: number
  readonly gid: number
}
