import { type Cgroup, makeCgroup } from './cgroup.js';
import { buildGate, type Gate, type GateOptions } from './gate.js';
import { inNamespace, whyNoNamespace } from './namespace.js';
import { buildSupervisedGate, findInterpreter, type Interpreter } from './supervisor.js';

/** What keeps the processes of a job from getting away, the strongest first.
 *  - `pid-namespace`: the kernel ends them with the supervisor. Only where it was asked for: the command sees itself in
 *    another process table, and without root as the only user
 *  - `cgroup`: a control group, which no process leaves by forking, and which is killed at one stroke
 *  - `subreaper`: a supervisor, to which every orphan of the job falls
 *  - `process-group`: the process group and session, and the check's id in the environment */
export const CONTAINMENTS = ['pid-namespace', 'cgroup', 'subreaper', 'process-group'] as const;
export type Containment = (typeof CONTAINMENTS)[number];

/** A command behind its gate, and what holds it. */
export interface Contained {
  readonly containment: Containment;
  readonly gate: Gate;
  readonly cgroup: Cgroup | undefined;
}

/** Whether a text names a containment. */
export function isContainment(text: string): text is Containment {
  return CONTAINMENTS.some((one) => one === text);
}

/** Puts a command behind a gate, in the containment that is wanted; without a wish in the strongest that this host has
 *  and that the command does not notice. Throws when what is wanted cannot be had, or no process can be made. */
export async function contain(
  options: GateOptions,
  groupName: string,
  wanted: Containment | undefined,
): Promise<Contained> {
  switch (wanted) {
    case 'pid-namespace': {
      const reason = whyNoNamespace();
      if (reason !== undefined) throw notHere(wanted, reason);
      const command = inNamespace(options.command, interpreterFor(wanted).perl);
      const gate = await buildSupervisedGate({ ...options, command });
      return { containment: wanted, gate, cgroup: undefined };
    }
    case 'subreaper':
      interpreterFor(wanted);
      return { containment: wanted, gate: await buildSupervisedGate(options), cgroup: undefined };
    case 'process-group':
      return { containment: wanted, gate: await buildGate(options), cgroup: undefined };
    case 'cgroup':
    case undefined: {
      const gate = await buildSupervisedGate(options).catch(() => buildGate(options));
      const cgroup = enterCgroup(gate, groupName);
      if (cgroup !== undefined) return { containment: 'cgroup', gate, cgroup };
      if (wanted === undefined) return { containment: withoutCgroup(gate), gate, cgroup };
      gate.shut();
      await gate.ended;
      throw notHere(wanted, 'no control group can be made below that of the guard');
    }
  }
}

/** The containment that a command would get here without a wish. Changes nothing. */
export function bestContainment(): Containment {
  const cgroup = makeCgroup(`doctor-${process.pid}`);
  cgroup?.remove();
  if (cgroup !== undefined) return 'cgroup';
  return findInterpreter() === undefined ? 'process-group' : 'subreaper';
}

/** Says in a few words what a containment holds. */
export function describeContainment(containment: Containment): string {
  switch (containment) {
    case 'pid-namespace':
      return 'pid-namespace: the kernel ends a job with its guard';
    case 'cgroup':
      return 'cgroup: no process of a job gets away by forking';
    case 'subreaper':
      return 'subreaper: orphans of a job fall to its supervisor';
    case 'process-group':
      return 'process-group: a process that leaves its group and session and clears its environment gets away';
  }
}

function withoutCgroup(gate: Gate): Containment {
  return gate.supervisorId === undefined ? 'process-group' : 'subreaper';
}

function interpreterFor(wanted: Containment): Interpreter {
  const interpreter = findInterpreter();
  if (interpreter === undefined) throw notHere(wanted, 'it needs Linux and /usr/bin/perl');
  return interpreter;
}

function enterCgroup(gate: Gate, name: string): Cgroup | undefined {
  const cgroup = makeCgroup(name);
  try {
    cgroup?.take(gate.groupId);
    return cgroup;
  } catch {
    cgroup?.remove();
    return undefined;
  }
}

function notHere(wanted: Containment, reason: string): Error {
  return new Error(`this host does not have the containment that was asked for, ${wanted}: ${reason}`);
}
