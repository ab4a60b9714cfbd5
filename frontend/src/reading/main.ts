/** The reading room. */
export {};
