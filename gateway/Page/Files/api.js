// Calls of the server's API, with failures as sentences.

const keyName = 'loire-key';
let askForKey = null;

/** Sets what to do when the server wants a key: returns a promise of one. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** A refusal in the server's own words. */
export class ApiError extends Error {
  constructor(status, error) {
    super(error?.message ?? `The server answered with status ${status}.`);
    this.status = status;
    this.code = error?.code ?? null;
    this.field = error?.param ?? null;
  }
}

/** No answer at all: the server is away, or the connection broke. */
export class LostError extends Error {}

export async function call(path, { method = 'GET', body, signal } = {}) {
  const response = await send(path, method, body, signal);
  try {
    return await response.json();
  } catch (cause) {
    throw new LostError('The server’s answer broke off.', { cause });
  }
}

/** The objects of an event stream, until it says that it is done. */
export async function* events(path, body, signal) {
  const response = await send(path, 'POST', body, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await read(reader, signal);
      if (done) throw new LostError('The stream broke off before its end.');
      const parts = (rest + value).split('\n\n');
      rest = parts.pop();
      for (const part of parts) {
        if (!part.startsWith('data: ')) continue;
        const data = part.slice(6);
        if (data === '[DONE]') return;
        const item = JSON.parse(data);
        if (item.error) throw new ApiError(200, item.error);
        yield item;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function read(reader, signal) {
  try {
    return await reader.read();
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new LostError('The connection to the server broke.', { cause });
  }
}

async function send(path, method, body, signal) {
  for (;;) {
    const key = sessionStorage.getItem(keyName);
    const response = await tryFetch(path, {
      method,
      signal,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key ? { authorization: `Bearer ${key}` } : {}),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (response.ok) return response;
    const error = new ApiError(response.status, await errorOf(response));
    if (response.status !== 401 || !askForKey) throw error;
    if (sessionStorage.getItem(keyName) !== key) continue; // another call has asked meanwhile
    sessionStorage.setItem(keyName, await askForKey(key !== null));
  }
}

async function tryFetch(path, options) {
  try {
    return await fetch(path, options);
  } catch (cause) {
    if (options.signal?.aborted) throw cause;
    throw new LostError('The server cannot be reached.', { cause });
  }
}

async function errorOf(response) {
  try {
    return (await response.json()).error;
  } catch {
    return null; // a proxy's page: its status has to do
  }
}
