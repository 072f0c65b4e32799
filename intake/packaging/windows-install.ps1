# Prepares the folders of the SMTP intake on Windows and installs its service. Run as administrator from the folder
# that holds intake.js, node.exe, esm-mail-intake.exe (WinSW) and windows-service.xml.
$ErrorActionPreference = 'Stop'
$program = Join-Path $env:ProgramFiles 'esm-mail-intake'
$data = Join-Path $env:ProgramData 'esm-mail-intake'
New-Item -ItemType Directory -Force $program, $data, (Join-Path $data 'spool') | Out-Null
Copy-Item intake.js, node.exe, esm-mail-intake.exe $program -Force
Copy-Item windows-service.xml (Join-Path $program 'esm-mail-intake.xml') -Force
& (Join-Path $program 'esm-mail-intake.exe') install
# The service's own account, administrators and the system; nobody else reads mail or the key.
icacls $data /inheritance:r /grant '*S-1-5-32-544:(OI)(CI)F' 'SYSTEM:(OI)(CI)F' 'NT SERVICE\esm-mail-intake:(OI)(CI)M'
# A scanner that holds a file delays the answer to ESM.
if (Get-Command Add-MpPreference -ErrorAction SilentlyContinue) { Add-MpPreference -ExclusionPath (Join-Path $data 'spool') }
Write-Host "Write $data\intake.json and $data\bridge-key, then: Start-Service esm-mail-intake"
