// The dialogs that ESM's mail engine has with an SMTP server: JavaMail, one Session, Transport.send.
//   java SendMail SCENE PORT [TRUST_STORE]
import java.util.Properties;
import javax.mail.Message;
import javax.mail.MessagingException;
import javax.mail.SendFailedException;
import javax.mail.Session;
import javax.mail.Transport;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeBodyPart;
import javax.mail.internet.MimeMessage;
import javax.mail.internet.MimeMultipart;

public final class SendMail {
  public static void main(String[] args) throws Exception {
    String scene = args[0];
    Properties settings = new Properties();
    settings.put("mail.smtp.host", "localhost");
    settings.put("mail.smtp.port", args[1]);
    if (args.length > 2) {
      System.setProperty("javax.net.ssl.trustStore", args[2]);
      System.setProperty("javax.net.ssl.trustStorePassword", "changeit");
    }
    if (scene.startsWith("xoauth2") || scene.startsWith("login")) {
      settings.put("mail.smtp.auth", "true");
      settings.put("mail.smtp.starttls.enable", "true");
      settings.put("mail.smtp.starttls.required", "true");
      settings.put("mail.smtp.ssl.checkserveridentity", "true");
    }
    if (scene.startsWith("xoauth2")) settings.put("mail.smtp.auth.mechanisms", "XOAUTH2");
    if (scene.equals("null-sender")) settings.put("mail.smtp.from", "<>");
    if (scene.equals("repeat")) settings.put("mail.smtp.timeout", "2000");
    Session session = Session.getInstance(settings);
    MimeMessage message = new MimeMessage(session);
    message.setFrom(new InternetAddress("desk@example.com", "Service Desk", "UTF-8"));
    message.setSubject("[INC-42] P\u00e4ivitys", "UTF-8");
    message.setRecipients(Message.RecipientType.TO, InternetAddress.parse("citizen@example.org"));
    if (scene.equals("bad-recipient")) {
      message.addRecipient(Message.RecipientType.CC, new InternetAddress("nobody@localhost", false));
    }
    message.addRecipient(Message.RecipientType.BCC, new InternetAddress("archive@example.com"));
    MimeMultipart parts = new MimeMultipart();
    MimeBodyPart text = new MimeBodyPart();
    text.setText("Hyv\u00e4\u00e4 p\u00e4iv\u00e4\u00e4", "UTF-8");
    parts.addBodyPart(text);
    MimeBodyPart file = new MimeBodyPart();
    file.setContent(new byte[50000], "application/octet-stream");
    file.setFileName("liite.bin");
    parts.addBodyPart(file);
    message.setContent(parts);
    message.setSentDate(new java.util.Date());
    String password = "ey" + "JhbGciOiJSUzI1NiJ9".repeat(3) + "." + "a".repeat(3000) + "." + "b".repeat(300);
    int sends = scene.equals("repeat") ? 2 : 1;
    for (int count = 0; count < sends; count++) {
      try {
        if (settings.containsKey("mail.smtp.auth")) {
          Transport.send(message, "desk@example.com", password);
        } else {
          Transport.send(message);
        }
        System.out.println("sent " + message.getMessageID());
      } catch (SendFailedException failure) {
        System.out.println("failed " + failure.getMessage().replace('\n', ' '));
      } catch (MessagingException failure) {
        System.out.println("broken " + failure.getClass().getSimpleName() + ": " + failure.getMessage().replace('\n', ' '));
      }
    }
  }
}
