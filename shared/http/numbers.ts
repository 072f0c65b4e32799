// The numbers of the HTTP side.

/** The body of one request. In buffered mode the host hands it over whole; what is larger goes by upload. */
export const requestBytes = 8_000_000;

/**
 * What the bodies in work may weigh on one instance. A body in work costs several times its size: the bytes, their text,
 * the parsed values and the stored form exist at the same time (measured with 16 callers of 8 MB: 410 MB in all).
 */
export const budgetBytes = 96_000_000;
/** The weight of a body's byte: JSON has its text and values besides. */
export const byteWeights = { json: 4, other: 2 } as const;
export const busyRetrySeconds = 2;

export const unavailableRetrySeconds = 30;
export const inProgressRetrySeconds = 1;

/** How long the address of an upload or of a content works. */
export const addressMs = 15 * 60_000;

export const feed = { mostCount: 32, count: 16, hideSeconds: 60, mostHideSeconds: 3_600 } as const;
/** A content up to this size is in the answer. */
export const contentInAnswerBytes = 4_000_000;

export const remarksMost = { count: 50, characters: 500, headerBytes: 8_000 } as const;
