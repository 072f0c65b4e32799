/** The version of package.json; a test compares the two. The bundle holds no package.json to read it from. */
export const version = '0.1.0';
