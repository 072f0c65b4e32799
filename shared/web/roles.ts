/** The app role of those who may act, as the template declares it. */
export const administratorRole = 'MailBridge.Administrator';
/** The app role of those who may see but not act. */
export const viewerRole = 'MailBridge.Viewer';
/** The app role of applications that submit mail over HTTP. */
export const senderRole = 'MailBridge.Sender';
/** The app role of applications that read events and notices over HTTP. */
export const receiverRole = 'MailBridge.Receiver';
