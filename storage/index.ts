/** The storage package's public face: object stores and the format of the files kept in them. */
export * from './errors.ts';
export * from './file-id.ts';
export * from './fs-object-store.ts';
export * from './object-key.ts';
export * from './object-store.ts';
export * from './wal-file.ts';
