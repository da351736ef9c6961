/** The storage package's public face: object stores and the format of the files kept in them. */
export * from './bucket-identity.ts';
export * from './errors.ts';
export * from './file-id.ts';
export * from './fs-object-store.ts';
export * from './json-record.ts';
export * from './object-key.ts';
export * from './object-store.ts';
export * from './open-store.ts';
export * from './prove-store.ts';
export * from './s3-object-store.ts';
export * from './topic-record.ts';
export * from './wal-file.ts';
export type { FileSystem } from './file-system.ts';
export type { S3Credentials, S3StoreOptions } from './s3-client.ts';
