"""What the model card says in so many words, whatever the figures are; sections by name, `{...}` filled by card.py."""

HEAD = """# Card of the trained scorecard

Made by `stswatch evaluate` from the figures in `evaluation.json` beside it: not edited by hand. Ranges in brackets hold
95 of 100 draws of vessels."""

USE = """## What it is for

It ranks encounters for people who look at them one by one. It sees what was measured of a meeting and where it was,
never flag, name, list or past decision. Each feature adds points of its own; there are no interactions, so the reasons
that are shown add up to the score. A high score is a lead and no finding: most meetings at sea are lawful."""

SEAS = """Card `{model_id}`. The seas, with their seeds, were fixed before training, and no seed is in two of them. Of
several encounters of one true meeting the longest stands for it; the others are repeats and left out. A transfer that
gave no encounter is missed. In training, transfers and all other encounters count the same in sum; {settings}.
What is not known of a meeting gives no points, and a silence beside it is not known while its cause is not judged."""

RANKING = """Recall counts all transfers, those that gave no encounter too. A published rule passes or fails a
meeting; at a number of leads that falls among equals the mean over all their orders is told. {fleet:,.0f} vessels
were heard on an average day. Vessel-days are days on which a vessel was heard."""

PUBLISHED = "As published, without an order:"

PAIRED = """Recall of the trained card less that of the other, over the same draws of vessels; then the share of draws
in which it is more. The last rows set a variant of the card, or the card on shifted seas, against the best baseline."""

DETECTION = """What became an encounter at all, before any score. Nine of ten starts and ends are within the minutes
shown."""

FAMILIES = """Recall of all transfers of a family, at cut-offs that 1 % and 5 % of all other encounters pass."""

LOOK_ALIKES = """Which lawful meetings pass most often, at the same two cut-offs of the trained card. `chance` are ships
that no scenario brought together, `none` encounters under which no true meeting lies."""

FEATURES = """ROC AUC of each feature alone, transfers against all other encounters (and against look-alikes), in its
better direction, where it is known. {over}"""

SHIFTED = """The same cards on seas with parameters that training did not have."""

LEFT_OUT = """Share that passes at a false-positive rate of 5 %, with the family in training and left out of it. For
transfers it should stay high, for others low."""

CALIBRATION = """Read as log-odds, with transfers and others counted the same: slope {slope:.2f} (1 would be right),
intercept {intercept:.2f} (0 would be right), {mean_error:.3f} off on average. With transfers as rare as they are at sea
the score is no log-odds of anything."""

CUT_OFFS = """What passes at the cut-off of each card, from which a meeting is a lead unless `[lead] min_score` says
another, and at the scores that 1 % and 5 % of the other encounters reach. That of the trained card
is {score:g}: {reason}."""

EXPECTED = """What a watch floor would get if other encounters were as frequent as in the simulated sea. Nobody knows
how frequent transfers are; three guesses."""

ARCHIVES = """Encounters in public archives that pass the cut-off which 5 % of the other encounters of the simulated
seas pass, or the rule as published. All are taken to be lawful. Vessel-days are here the time from the first to the
last fix of each MMSI. The rank is that of an operation of which it is known that it took place; it is lawful too, and
a meeting like a transfer: that it ranks high shows what AIS can tell and what it cannot."""

LIMITS = """## Limits

- **Simulated scenarios, not the field.** No labelled set of transfers near North Korea is public. Transfers and
  look-alikes were drawn by a program from published descriptions; how often each happens is an assumption. The figures
  say how well the card parts these scenarios, not how well it would do at sea.
- **A rank, not a probability.** How many leads are transfers depends on how frequent transfers are, which nobody knows.
- **Encounters of two vessels that both report.** Where one or both are silent there is no encounter, and no score: such
  transfers count as missed in every recall above.
- **Learned from one simulator.** What the seas of training share with those of the evaluation, other seeds of the same
  program, it knows too well. Shifted seas and families left out say how much; real waters differ more.
- **What was not heard speaks for nobody either.** A tug whose type was not received is not known to be one.
- Told per scenario, family and place; not per flag, which it does not see, nor per size or receiver."""
