// Figures and names as people read them.

const whole = new Intl.NumberFormat('en');

export const count = number => whole.format(Math.round(number));

export const plural = (number, word) => `${count(number)} ${word}${number === 1 ? '' : 's'}`;

export function bytes(number) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit++;
  }
  return `${number >= 100 || unit === 0 ? Math.round(number) : number.toFixed(1)} ${units[unit]}`;
}

export const milliseconds = number => number >= 1000 ? `${(number / 1000).toFixed(1)} s` : `${number >= 10 ? Math.round(number) : number.toFixed(1)} ms`;

export function ago(seconds) {
  const age = Math.max(0, Date.now() / 1000 - seconds);
  if (age < 60) return 'now';
  if (age < 3600) return `${Math.floor(age / 60)} min`;
  if (age < 86400) return `${Math.floor(age / 3600)} h`;
  return `${Math.floor(age / 86400)} d`;
}

const first = ['amber', 'azure', 'brisk', 'calm', 'clear', 'dawn', 'deep', 'early', 'gentle', 'golden', 'grey', 'late', 'lucid', 'mellow', 'misty', 'pale', 'quiet', 'silver', 'slow', 'still', 'swift', 'warm', 'wide', 'winter'];
const second = ['bank', 'barge', 'bend', 'bridge', 'delta', 'ferry', 'ford', 'harbour', 'heron', 'island', 'lock', 'meadow', 'mill', 'otter', 'poplar', 'quay', 'reed', 'river', 'sandbar', 'source', 'stream', 'tide', 'valley', 'willow'];

/** A name for a new session, such as `quiet-heron-3f9a2c`. */
export function sessionName() {
  const random = crypto.getRandomValues(new Uint32Array(3));
  const pick = (words, number) => words[number % words.length];
  return `${pick(first, random[0])}-${pick(second, random[1])}-${(random[2] >>> 8).toString(16).padStart(6, '0')}`;
}

/** An id for a turn, so that a retry joins it. */
export function turnName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), byte => byte.toString(16).padStart(2, '0')).join('');
}
