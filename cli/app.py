"""`meshline`: every verb. Bad input ends with exit code 2, a failure with 1."""

from __future__ import annotations

import typer

from cli.lazy import add

INTERRUPTED = 1

TOP = {
    "demo": (
        "cli.demo:demo",
        "Run real orders through everything on this machine and show the result.",
    ),
    "up": (
        "cli.serve:up",
        "Start Temporal, gateway and worker; with --simulate the vendors too.",
    ),
    "init": (
        "cli.init:init",
        "Write a network file with one node a location, the rest from the example.",
    ),
    "import": (
        "cli.data:import_file",
        "Import a Shopify order export; a second import of the same file changes nothing.",
    ),
    "verify": (
        "cli.verify:verify",
        "Check quantities, ledger, event log and audit chains; exit code 1 on a violation.",
    ),
    "gateway": (
        "cli.gateway:gateway",
        "Webhook intake, pollers, dispatcher and signal relay.",
    ),
    "attributes": (
        "cli.attributes:attributes",
        "Register our search attributes with the Temporal server; safe to repeat.",
    ),
    "key": ("cli.key:key", "Print a new key for MESHLINE_PII_KEY."),
}
ORDER = {
    "submit": ("cli.submit:submit", "Take one order in; the dispatcher starts it."),
    "list": ("cli.order:list_orders", "Orders, the newest first."),
    "show": (
        "cli.order:show",
        "Where an order stands: lines, parcels, holds, exceptions, history.",
    ),
    "explain": (
        "cli.explain:explain",
        "Why: each decision, every candidate, the rules that spoke, what it cost.",
    ),
    "set-address": (
        "cli.change:set_address",
        "Correct an address before release; only what you give is changed.",
    ),
    "hold": (
        "cli.change:hold",
        "Hold an order by hand: nothing new is planned or released.",
    ),
    "release": (
        "cli.change:release",
        "Send an order to its nodes now, instead of waiting for a better plan.",
    ),
    "cancel": (
        "cli.change:cancel",
        "Cancel an order or some of its lines; what is with the carrier goes on.",
    ),
}
EXCEPTION = {
    "list": ("cli.cases:list_cases", "Open exceptions, the nearest deadline first."),
    "show": ("cli.cases:show_case", "One exception with everything that a decision needs."),
    "ack": ("cli.decide:ack", "Say that you are on it."),
    "approve": ("cli.decide:approve", "Approve what was shown."),
    "reject": ("cli.decide:reject", "Reject what was shown."),
    "reroute": ("cli.decide:reroute", "Plan it again, elsewhere or by another service."),
    "retry": ("cli.decide:retry", "Try the step again."),
    "resolve": ("cli.decide:resolve", "It was dealt with by hand."),
    "cancel": ("cli.decide:cancel", "Give it up and cancel what hangs on it."),
    "wait": ("cli.decide:wait", "Give it another window."),
    "ship-partial": ("cli.decide:ship_partial", "Ship what there is."),
    "correct": ("cli.decide:correct", "Take the node's figures into the ledger."),
    "keep": ("cli.decide:keep", "Keep the ledger's figures."),
    "recover": ("cli.decide:recover", "Refuse it, and take back what was paid for it."),
}
HOLD = {
    "list": ("cli.cases:list_holds", "Active holds, the nearest deadline first."),
    "release": (
        "cli.decide:release_hold",
        "Let the order go on; the same reason does not hold it again.",
    ),
    "reject": ("cli.decide:reject_hold", "Reject the order for what it is held for."),
}
CATALOG = {
    "import": (
        "cli.data:import_products",
        "Import products; what no file says is assumed and flagged on the item.",
    ),
    "show": ("cli.stock:show_item", "One item, with what was assumed about it."),
}
INVENTORY = {
    "import": (
        "cli.data:import_stock",
        "Import counts as a feed snapshot; later movements are applied again on top.",
    ),
    "show": (
        "cli.stock:show_stock",
        "Stock of a SKU at every node, its pools, and what each channel may take of it.",
    ),
    "allot": (
        "cli.allotting:allot",
        "Set units of a SKU at a node aside for a pool; only its channels may take them.",
    ),
    "worth": (
        "cli.stock:worth",
        "What a unit of scarce stock is worth to the orders to come, the dearest first.",
    ),
}
STOCK = {
    "rehydrate": (
        "cli.rehydrate:rehydrate",
        "Ask nodes what they have, and put the ledger right; what is large becomes an exception.",
    ),
    "divergence": (
        "cli.rehydrate:divergence",
        "What nodes count otherwise than the ledger, the newest first, and what became of it.",
    ),
}
CARRIER = {
    "list": (
        "cli.carrier:list_carriers",
        "Carriers of the network file, and those that are switched off.",
    ),
    "show": (
        "cli.carrier:show_carrier",
        "A carrier's circuits, what they were judged by, and the orders that it moved.",
    ),
    "disable": (
        "cli.carrier:disable",
        "Switch a carrier off, from the next decision and the next label on.",
    ),
    "enable": ("cli.carrier:enable", "Switch a carrier on again."),
}
RETURN = {
    "request": (
        "cli.returning:request",
        "Ask to send goods back; the return policy says whether, the refund policy when money "
        "goes.",
    ),
    "list": (
        "cli.returning:list_returns",
        "Returns, the newest first: what comes back, where it stands, what is paid for it.",
    ),
    "show": (
        "cli.returning:show",
        "Where a return stands: lines, parcels, inspections, money, exceptions, history.",
    ),
    "approve": (
        "cli.returning:approve",
        "Agree to what waits for it: the return itself, or what is wrong with what came back.",
    ),
    "decline": (
        "cli.returning:decline",
        "Decline the return that waits for it, or what is wrong with what came back; say why.",
    ),
    "recover": (
        "cli.returning:recover",
        "Refuse what came back, and take back what was paid early for it.",
    ),
    "recoveries": (
        "cli.returning:recoveries_of",
        "What is taken back of refunds whose goods did not pass, the newest first.",
    ),
    "receive": (
        "cli.returning:receive",
        "Count what has arrived at the dock, before anybody has looked at it.",
    ),
    "inspect": (
        "cli.returning:inspect",
        "Say what came back in which state, and what becomes of it.",
    ),
    "cancel": (
        "cli.returning:cancel",
        "Call a return off, before anything is on its way; its label is voided.",
    ),
}
REFUND = {
    "list": (
        "cli.refund:list_refunds",
        "Refunds, the newest first: what for, how much, and whether it is back.",
    ),
    "give": (
        "cli.refund:give",
        "Give money back for goodwill; the refund policy says who has to agree.",
    ),
    "approve": (
        "cli.refund:approve",
        "Agree to a refund that waits for it; nobody agrees to what they caused.",
    ),
    "retry": (
        "cli.refund:retry",
        "Ask the payment provider once more for a refund that failed.",
    ),
}
INVOICE = {
    "import": (
        "cli.invoice:import_invoice",
        "Import invoices from a CSV, whole or not at all; a second import changes nothing.",
    ),
    "list": (
        "cli.invoice:list_invoices",
        "Invoices, what was due of them, and what is claimed back.",
    ),
    "audit": (
        "cli.invoice:audit_invoices",
        "Audit invoices against rate cards, shipments and deliveries as they are known now.",
    ),
    "claims": (
        "cli.invoice:claims",
        "List what is to be claimed back, with the evidence, the largest first.",
    ),
    "report": (
        "cli.invoice:report",
        "Write audited invoices as one HTML page, with plots and every claim's evidence.",
    ),
    "settle": (
        "cli.invoice:settle",
        "Say what became of an invoice's claims: claimed, credited or refused.",
    ),
}
EXPORT = {
    "tracking": (
        "cli.stock:tracking",
        "Shipments of channels without an OMS connector, as a CSV to upload to the shop.",
    ),
}
NETWORK = {
    "card": (
        "cli.rate_card:card",
        "Import a price table as a rate card, effective from a day; the older card stays.",
    ),
    "check": (
        "cli.network:check",
        "Check the network file and the policies that it names; every mistake is told.",
    ),
}
POLICY = {
    "check": (
        "cli.policy_check:check",
        "Check policies completely: types, tests, rule coverage, thresholds.",
    ),
    "test": (
        "cli.policy_check:test",
        "Run the tests that policies hold in themselves. Exit code 2 when one fails.",
    ),
    "list": (
        "cli.policy:list_policies",
        "Published versions: what is in force, on its way, and over.",
    ),
    "show": (
        "cli.policy:show",
        "One version: its text, its state, and what was done about it by whom.",
    ),
    "submit": (
        "cli.policy:submit",
        "Publish a document as an immutable version and ask for its review.",
    ),
    "review": (
        "cli.policy_review:review",
        "What a reviewer needs: what changed, and what it would have decided.",
    ),
    "approve": (
        "cli.policy:approve",
        "Approve a version under review: not its author, and with a role that reviews it.",
    ),
    "reject": (
        "cli.policy:reject",
        "Reject a version under review; say why, its author will read it.",
    ),
    "rollback": (
        "cli.policy:rollback",
        "Take back what is new: a running rollout, else the version in force.",
    ),
    "drift": (
        "cli.policy_drift:drift",
        "Do decisions come true? Realised cost and delivery against what was foreseen.",
    ),
    "archive": (
        "cli.policy:archive",
        "Put a version away that is neither in force nor on its way.",
    ),
    "backtest": (
        "cli.policy_backtest:backtest",
        "Decide recorded facts again under a changed policy, and compare with the one in force.",
    ),
    "diff": (
        "cli.policy_diff:diff",
        "Tell what changed between two versions of a policy, by meaning.",
    ),
}
ROLLOUT = {
    "start": (
        "cli.policy_rollout:start",
        "Roll an approved version out as its document says: at once, in shadow, or in stages.",
    ),
    "status": (
        "cli.policy_rollout:status",
        "Where rollouts stand: share, what was compared, what the guards say.",
    ),
    "hold": ("cli.policy_rollout:hold", "Keep a rollout at its share; its guards go on watching."),
    "resume": ("cli.policy_rollout:resume", "Let a held rollout go on."),
    "promote": (
        "cli.policy_rollout:promote",
        "Go on to the next stage now, or into force after the last one.",
    ),
}
EXPERIMENT = {
    "start": (
        "cli.policy_experiment:start",
        "Let two versions decide disjoint shares of the orders, and compare what becomes of them.",
    ),
    "status": (
        "cli.policy_experiment:status",
        "Read experiments out: both arms, and the difference with its 95 % interval.",
    ),
    "stop": ("cli.policy_experiment:stop", "End an experiment, with a winner or with none."),
}
SCENARIO = {
    "promo-spike": (
        "cli.scenario:promo_spike",
        "Play a promotion spike over own DCs and two 3PLs, as it was before and with Meshline.",
    ),
    "returns": (
        "cli.scenario_returns:returns",
        "Play four weeks of returns, by hand with a daily batch and with Meshline.",
    ),
    "carrier-outage": (
        "cli.carrier_outage:carrier_outage",
        "A carrier goes dark while 500 orders are open: how Meshline takes it.",
    ),
}
CLAIM = {
    "list": (
        "cli.claim:list_claims",
        "Claims on carriers for lost and damaged parcels, the oldest first: they lapse.",
    ),
    "open": (
        "cli.claim:open_claim",
        "Claim a parcel from its carrier; a lost one is claimed by itself.",
    ),
    "settle": ("cli.claim:settle", "Say what became of a claim: claimed, paid or refused."),
}
DISPUTE = {
    "list": (
        "cli.dispute:list_disputes",
        "Disputed payments (chargebacks), those first that have to be answered first.",
    ),
    "import": (
        "cli.dispute:import_disputes",
        "Import disputes from a CSV, whole or not at all; a second import changes nothing.",
    ),
}
RECONCILE = {
    "run": (
        "cli.reconcile:run",
        "Compare days with every vendor now: orders, fulfilments, labels, money.",
    ),
    "report": (
        "cli.reconcile:report",
        "Report what was compared and what differs: on the terminal, as CSV, or as an HTML page.",
    ),
    "explain": (
        "cli.reconcile:explain",
        "Say why a difference is right as it is; it stays explained while nothing about it "
        "changes.",
    ),
}
AUDIT = {
    "verify": (
        "cli.audit:verify",
        "Find edits, deletions, reorders and truncations in the audit chains; exit code 1 on any.",
    ),
}
GROUPS = {
    "order": (ORDER, "Orders: submit, look, explain, change."),
    "exception": (EXCEPTION, "What waits for a person's decision."),
    "hold": (HOLD, "Orders that are held, and releasing them."),
    "catalog": (CATALOG, "The item master."),
    "inventory": (INVENTORY, "Stock per SKU and node."),
    "stock": (STOCK, "What nodes really have, beside the ledger."),
    "carrier": (CARRIER, "Carriers: look, switch off and on."),
    "return": (RETURN, "Goods that customers send back."),
    "refund": (REFUND, "Money that goes back to customers."),
    "claim": (CLAIM, "What carriers owe for parcels that they lost or damaged."),
    "dispute": (DISPUTE, "Payments that their payers dispute with the bank."),
    "reconcile": (RECONCILE, "Days compared with vendors: what they have against what we have."),
    "invoice": (INVOICE, "Invoices of carriers and 3PLs: import, audit, claim."),
    "export": (EXPORT, "Files for systems without a connector."),
    "network": (NETWORK, "The network file."),
    "policy": (POLICY, "Policies: publish, review, compare, roll out, take back."),
    "policy rollout": (ROLLOUT, "A version's way into force."),
    "policy experiment": (EXPERIMENT, "Two versions beside each other."),
    "scenario": (SCENARIO, "Stories: a before-state and Meshline over the same seeded world."),
    "audit": (AUDIT, "What people and policies did, chained and keyed."),
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Meshline: an operating system for e-commerce fulfilment.\n\n"
    "Start with `meshline demo`, or `meshline up --simulate` and `meshline import FILE.csv`.",
)
add(app, TOP)
_groups = {"": app}
for _path, (_verbs, _text) in GROUPS.items():
    _parent, _, _name = _path.rpartition(" ")
    _groups[_path] = typer.Typer(no_args_is_help=True, help=_text)
    add(_groups[_path], _verbs)
    _groups[_parent].add_typer(_groups[_path], name=_name)


def main() -> None:
    """Entry of `meshline`."""
    try:
        app()
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise SystemExit(INTERRUPTED) from None
