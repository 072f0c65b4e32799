/** The app role of those who may act, as the template declares it. */
export const administratorRole = 'MailBridge.Administrator';
/** The app role of those who may see but not act. */
export const viewerRole = 'MailBridge.Viewer';
