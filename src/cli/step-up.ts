import { setTimeout as pause } from 'node:timers/promises';
import { type Client, isOutOfReach, type StepUp } from '../sdk/index.js';
import { isInteractive, messageView, say } from './output.js';
import { printable } from './printable.js';
import { qrCode } from './qr-code.js';

const LONGEST_WAIT_MS = 600_000;

/** Has the person at the terminal confirm a dangerous act with a passkey, and waits until it is decided. Where there is
 *  nobody to ask it is a no. */
export async function confirmed(client: Client, act: string): Promise<boolean> {
  if (!isInteractive()) return false;
  const asked = await client.stepUps.open({ act });
  const view = messageView();
  say(`A passkey of yours has to confirm this first: ${printable(act)}\n`);
  say(`  ${printable(asked.verification_uri)}\n`);
  if (view.isTerminal) say(`${await qrCode(asked.verification_uri, view.hasColour)}\n`);
  say('Open it in a browser where your passkey works. Waiting; Ctrl-C gives up.');
  const { status } = await decided(client, asked);
  if (status === 'confirmed') {
    say('Confirmed.');
    return true;
  }
  say(status === 'denied' ? 'It was denied.' : 'Nobody confirmed it in time.');
  return false;
}

/** Asks until it is decided. A service that is out of reach for a while is asked again. */
async function decided(client: Client, asked: StepUp): Promise<StepUp> {
  // Not by what the service says: this machine's clock may be another.
  const giveUpAt = performance.now() + LONGEST_WAIT_MS;
  let latest = asked;
  while (latest.status === 'pending') {
    await pause(asked.interval_seconds * 1000);
    try {
      latest = await client.stepUps.show(asked.id);
    } catch (error) {
      if (!isOutOfReach(error) || performance.now() > giveUpAt) throw error;
    }
  }
  return latest;
}
