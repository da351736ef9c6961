/**
 * The one thing that the parts of the client need of a connection. It owns no code.
 */

import type { Message } from '../wire/message.ts';

export interface RequestOptions {
  /** Default: the highest version that both ends speak. */
  readonly version?: number | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface Requester {
  request<Input, Response>(
    api: { readonly request: Message<unknown, Input>; readonly response: Message<Response> },
    body: Input,
    options?: RequestOptions,
  ): Promise<Response>;
}
