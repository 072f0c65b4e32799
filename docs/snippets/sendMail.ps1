# Sends one mail and reads its state. Needs BRIDGE_URL, BRIDGE_KEY, MAILBOX and RECIPIENT in the environment.
$ErrorActionPreference = 'Stop'
$headers = @{ 'x-bridge-key' = $env:BRIDGE_KEY }
$mail = @{
  id = "powershell-$([guid]::NewGuid())"
  mailbox = $env:MAILBOX
  to = @($env:RECIPIENT)
  subject = 'From a script'
  text = 'Hello.'
} | ConvertTo-Json

# 202: accepted; 200: the same had been accepted before. Repeat with the same id whenever in doubt.
$body = [Text.Encoding]::UTF8.GetBytes($mail)
$accepted = Invoke-RestMethod -Method Post -Uri "$env:BRIDGE_URL/api/mail" -Headers $headers -ContentType 'application/json' -Body $body

$href = if ($accepted.href -like 'http*') { $accepted.href } else { "$env:BRIDGE_URL$($accepted.href)" }
Invoke-RestMethod -Uri $href -Headers $headers | ConvertTo-Json -Depth 5
