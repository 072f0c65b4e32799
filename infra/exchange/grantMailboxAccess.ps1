#Requires -Version 7.2
<#
.SYNOPSIS
  The half of the deployment that Bicep can't do: lets the bridge into the mailboxes of Exchange Online.

.DESCRIPTION
  Sign in first, as an Exchange administrator:
    Install-Module ExchangeOnlineManagement
    Connect-ExchangeOnline
  Then, each step only where it is not so already (running it again changes nothing; -WhatIf only tells):
    1. the service principal of the enterprise application is made known to Exchange Online;
    2. it gets full access to each mailbox that signs in by application;
    3. IMAP and authenticated SMTP are switched on for these mailboxes, and authenticated SMTP for the accounts
       that delegated mailboxes send through (the mailbox's switch wins over the tenant's, which may stay off);
    4. Send As is given where it is asked for;
    5. Test-ServicePrincipalAuthorization says what Exchange Online makes of it.
  Exchange Online takes its time: up to 90 minutes until a grant is in force everywhere. A refusal before then
  says nothing.

.PARAMETER AppId
  Output clientId of the deployment.

.PARAMETER EnterpriseAppObjectId
  Output enterpriseAppObjectId of the deployment: the object id of the *enterprise application*. With that of the
  app registration everything here succeeds and every sign-in fails, without a hint.

.PARAMETER ApplicationMailbox
  Mailboxes that sign in by application (output applicationMailboxes, at the commas).

.PARAMETER SmtpAccount
  Accounts that delegated mailboxes log in to SMTP with: only their authenticated SMTP is switched on.

.PARAMETER SendAs
  Who may send as whom, as MAILBOX=SENDER: SENDER (a mailbox's address) may send as MAILBOX. The service principal
  gets the same right on MAILBOX where SENDER is one of the application mailboxes, since Exchange checks both.

.EXAMPLE
  ./grantMailboxAccess.ps1 -AppId $clientId -EnterpriseAppObjectId $objectId -ApplicationMailbox servicedesk@contoso.example -WhatIf
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    [Parameter(Mandatory)]
    [guid] $AppId,

    [Parameter(Mandatory)]
    [guid] $EnterpriseAppObjectId,

    [string[]] $ApplicationMailbox = @(),

    [string[]] $SmtpAccount = @(),

    [ValidatePattern('^[^=\s]+@[^=\s]+=[^=\s]+@[^=\s]+$')]
    [string[]] $SendAs = @(),

    [string] $DisplayName = 'Mail bridge'
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

if (-not (Get-Command -Name New-ServicePrincipal -ErrorAction SilentlyContinue)) {
    throw 'Not connected to Exchange Online. Run Connect-ExchangeOnline as an Exchange administrator first.'
}

# 1. The service principal, as Exchange Online knows it.
$principal = Get-ServicePrincipal | Where-Object { $_.AppId -eq "$AppId" } | Select-Object -First 1
if ($null -ne $principal -and "$($principal.ObjectId)" -ne "$EnterpriseAppObjectId") {
    throw "Exchange Online knows the application $AppId with the object id $($principal.ObjectId), not $EnterpriseAppObjectId. " +
    'Take the object id from Entra, Enterprise applications (not App registrations). If it is right, remove the old one: ' +
    "Remove-ServicePrincipal -Identity $($principal.ObjectId)"
}
if ($null -eq $principal -and $PSCmdlet.ShouldProcess("$EnterpriseAppObjectId", 'Make the service principal known to Exchange Online')) {
    $principal = New-ServicePrincipal -AppId $AppId -ObjectId $EnterpriseAppObjectId -DisplayName $DisplayName
}
$user = if ($null -eq $principal) { "$EnterpriseAppObjectId" } else { $principal.Identity }

# 2. and 3. What each mailbox needs.
foreach ($mailbox in $ApplicationMailbox) {
    $access = if ($null -ne $principal) {
        Get-MailboxPermission -Identity $mailbox -User $user -ErrorAction SilentlyContinue |
            Where-Object { $_.AccessRights -contains 'FullAccess' -and -not $_.Deny }
    }
    if (-not $access -and $PSCmdlet.ShouldProcess($mailbox, 'Give the service principal full access')) {
        Add-MailboxPermission -Identity $mailbox -User $user -AccessRights FullAccess | Out-Null
    }
    if (-not (Get-CASMailbox -Identity $mailbox).ImapEnabled -and $PSCmdlet.ShouldProcess($mailbox, 'Switch IMAP on')) {
        Set-CASMailbox -Identity $mailbox -ImapEnabled $true
    }
}
foreach ($account in @($ApplicationMailbox) + @($SmtpAccount) | Select-Object -Unique) {
    # Not set means "as the tenant says"; only False is on, whatever the tenant says.
    if ((Get-CASMailbox -Identity $account).SmtpClientAuthenticationDisabled -ne $false -and
        $PSCmdlet.ShouldProcess($account, 'Switch authenticated SMTP on')) {
        Set-CASMailbox -Identity $account -SmtpClientAuthenticationDisabled $false
    }
}

# 4. Send As.
foreach ($pair in $SendAs) {
    $mailbox, $sender = $pair -split '=', 2
    $trustees = @($sender)
    if ($ApplicationMailbox -contains $sender) { $trustees += "$user" }
    foreach ($trustee in $trustees) {
        $right = Get-RecipientPermission -Identity $mailbox -Trustee $trustee -ErrorAction SilentlyContinue |
            Where-Object { $_.AccessRights -contains 'SendAs' }
        if (-not $right -and $PSCmdlet.ShouldProcess($mailbox, "Let $trustee send as it")) {
            Add-RecipientPermission -Identity $mailbox -Trustee $trustee -AccessRights SendAs -Confirm:$false | Out-Null
        }
    }
}

# 5. What Exchange Online makes of it.
if ($null -ne $principal) {
    foreach ($mailbox in $ApplicationMailbox) {
        Test-ServicePrincipalAuthorization -Identity $user -Resource $mailbox |
            Format-Table -Property @('RoleName', 'GrantedPermissions', 'AllowedResourceScope', 'InScope')
    }
}
Write-Host 'Done. Grants of Exchange Online take up to 90 minutes; then run the doctor.'
