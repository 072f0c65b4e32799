#Requires -Version 7.2
<#
.SYNOPSIS
  The half of the deployment that Bicep can't do: lets the bridge into the mailboxes of Exchange Online.

.DESCRIPTION
  Sign in first, as an Exchange administrator:
    Install-Module ExchangeOnlineManagement
    Connect-ExchangeOnline
  Then, each step only where it is not so already (running it again changes nothing; -WhatIf changes nothing and says
  what would be changed):
    0. the prerequisites that this script can't set are printed: security defaults and authentication policies;
    1. the service principal of the enterprise application is made known to Exchange Online;
    2. it gets full access to each mailbox that signs in by application, or with -SendOnly the right to send as it;
    3. IMAP and authenticated SMTP are switched on for these mailboxes and for the accounts that delegated mailboxes
       send through (the mailbox's switch wins over the tenant's, which may stay off);
    4. Send As is given where it is asked for;
    5. what each mailbox has now is printed.
  A grant takes up to 90 minutes until it is in force everywhere. A refusal before then says nothing.

  Prerequisites, in Entra and Exchange Online:
    - Security defaults are off (Entra admin center, Overview, Properties). With them on, authenticated SMTP stays off
      whatever a mailbox says. Conditional Access replaces them.
    - No authentication policy that applies to the accounts blocks SMTP (AllowBasicAuthSmtp). By its name it concerns
      passwords only; tenants have reported that it stops SMTP as a whole, so look here first when SMTP is refused.

.PARAMETER AppId
  Output clientId of the deployment.

.PARAMETER EnterpriseAppObjectId
  Output enterpriseAppObjectId of the deployment: the object id of the *enterprise application*. With that of the
  app registration everything here succeeds and every sign-in fails, without a hint.

.PARAMETER ApplicationMailbox
  Mailboxes that sign in by application (output applicationMailboxes, at the commas).

.PARAMETER SmtpAccount
  Accounts that delegated mailboxes log in to SMTP with. Their IMAP is switched on too: a message in doubt is looked for
  in their Sent Items.

.PARAMETER SendAs
  Who may send as whom, as MAILBOX=SENDER: SENDER (a mailbox's address) may send as MAILBOX. The service principal
  gets the same right on MAILBOX where SENDER is one of the application mailboxes, since Exchange checks both.

.PARAMETER SendOnly
  For mailboxes that are only sent from: the role "Application SMTP.SendAsApp" (RBAC for Applications), limited to
  these mailboxes, instead of full access. The Entra permissions IMAP.AccessAsApp and SMTP.SendAsApp must then not be
  granted, since the rights add up. It has no part that reads, so what needs reading is lost: a message in doubt can't
  be looked for in Sent Items, so every doubt waits for a person; and bounces and replies are not seen.

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

    [switch] $SendOnly,

    [string] $DisplayName = 'Mail bridge'
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

if (-not (Get-Command -Name New-ServicePrincipal -ErrorAction SilentlyContinue)) {
    throw 'Not connected to Exchange Online. Run Connect-ExchangeOnline as an Exchange administrator first.'
}

# Exchange Online's servers learn of a new object one after another: for some minutes the next cmdlet may not find it.
# Six tries, two and a half minutes in all.
function Invoke-WithRetry([scriptblock] $Action) {
    $tries = 6
    for ($try = 1; $try -le $tries; $try++) {
        try { return & $Action }
        catch {
            $isMissing = "$_" -match "couldn't be found|wasn't found|not found|could not be found"
            if ($try -eq $tries -or -not $isMissing) { throw }
            Write-Host "Exchange Online does not know the service principal everywhere yet; try $($try + 1) of $tries in $($try * 10) seconds."
            Start-Sleep -Seconds ($try * 10)
        }
    }
}

# 0. What this script can't set.
$policy = (Get-OrganizationConfig).DefaultAuthenticationPolicy
$tenantSwitch = (Get-TransportConfig).SmtpClientAuthenticationDisabled
Write-Host 'Prerequisites:'
Write-Host '  Security defaults must be off; look in the Entra admin center, Overview, Properties.'
Write-Host "  Authentication policy of the organization: $(if ($policy) { $policy } else { 'none' })"
foreach ($one in Get-AuthenticationPolicy) {
    if (-not $one.AllowBasicAuthSmtp) {
        Write-Host "  The authentication policy $($one.Name) blocks SMTP with a password; look here if SMTP is refused with a token too."
    }
}
Write-Host "  Authenticated SMTP is $(if ($tenantSwitch) { 'off' } else { 'on' }) for the organization; the mailbox's own switch wins."

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

# 2. The right to each mailbox.
if ($SendOnly -and $ApplicationMailbox.Count -gt 0) {
    # A scope is a filter of recipients; naming the addresses keeps it at these mailboxes.
    $scope = "Mail bridge $AppId"
    $filter = ($ApplicationMailbox | ForEach-Object { "PrimarySmtpAddress -eq '$($_ -replace "'", "''")'" }) -join ' -or '
    $known = Get-ManagementScope | Where-Object { $_.Name -eq $scope }
    if (-not $known -and $PSCmdlet.ShouldProcess($scope, 'Make a management scope of these mailboxes')) {
        New-ManagementScope -Name $scope -RecipientRestrictionFilter $filter | Out-Null
    }
    if ($known -and "$($known.RecipientFilter)" -ne $filter -and $PSCmdlet.ShouldProcess($scope, 'Set the mailboxes of the management scope')) {
        Set-ManagementScope -Identity $scope -RecipientRestrictionFilter $filter
    }
    $role = 'Application SMTP.SendAsApp'
    $assigned = Get-ManagementRoleAssignment -Role $role | Where-Object { $_.Name -eq $scope }
    if (-not $assigned -and $PSCmdlet.ShouldProcess($scope, "Give the service principal the role $role")) {
        Invoke-WithRetry { New-ManagementRoleAssignment -Name $scope -App $EnterpriseAppObjectId -Role $role -CustomResourceScope $scope | Out-Null }
    }
}
foreach ($mailbox in $ApplicationMailbox) {
    if ($SendOnly) { continue }
    $access = if ($null -ne $principal) {
        Get-MailboxPermission -Identity $mailbox -User $user -ErrorAction SilentlyContinue |
            Where-Object { $_.AccessRights -contains 'FullAccess' -and -not $_.Deny }
    }
    if (-not $access -and $PSCmdlet.ShouldProcess($mailbox, 'Give the service principal full access')) {
        Invoke-WithRetry { Add-MailboxPermission -Identity $mailbox -User $user -AccessRights FullAccess | Out-Null }
    }
}

# 3. The protocols of each account.
foreach ($account in @($ApplicationMailbox) + @($SmtpAccount) | Select-Object -Unique) {
    $settings = Get-CASMailbox -Identity $account
    if (-not $SendOnly -and -not $settings.ImapEnabled -and $PSCmdlet.ShouldProcess($account, 'Switch IMAP on')) {
        Set-CASMailbox -Identity $account -ImapEnabled $true
    }
    # Not set means "as the tenant says"; only False is on, whatever the tenant says.
    if ($settings.SmtpClientAuthenticationDisabled -ne $false -and
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
            Invoke-WithRetry { Add-RecipientPermission -Identity $mailbox -Trustee $trustee -AccessRights SendAs -Confirm:$false | Out-Null }
        }
    }
}

# 5. What each mailbox has now. A look that fails is no failed run: what was changed is changed.
$ErrorActionPreference = 'Continue'
foreach ($account in @($ApplicationMailbox) + @($SmtpAccount) | Select-Object -Unique) {
    Get-CASMailbox -Identity $account | Format-Table -Property @('PrimarySmtpAddress', 'ImapEnabled', 'SmtpClientAuthenticationDisabled')
    if ($null -ne $principal -and $ApplicationMailbox -contains $account -and -not $SendOnly) {
        Get-MailboxPermission -Identity $account -User $user | Format-Table -Property @('Identity', 'AccessRights', 'Deny')
    }
}
if ($SendOnly) { Write-Host 'Sending only: doubts wait for a person, and bounces and replies are not seen.' }
Write-Host 'Done. Grants of Exchange Online take up to 90 minutes; then run the doctor.'
