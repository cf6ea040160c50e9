"""Ranks shrink physically: the function, the optimizer and the record follow."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from models.errors import ModelError
from models.tensor_train import (
    RankHistory,
    RankMasks,
    RankShrinkage,
    TTLinear,
    shrink,
    shrink_to_target,
    tensorized,
)
from models.tensor_train.priors import best_variance, warm_up

from .cases import FORMATS, layer


def teacher_data(samples: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets of a rank-2 layer."""
    torch.manual_seed(11)
    teacher = TTLinear((4, 3), (2, 6), 2, bias=False)
    x = torch.randn(samples, 12)
    return x, teacher(x).detach()


@given(
    mass=st.floats(1e-4, 1e4),
    entries=st.integers(1, 500),
    eta=st.floats(0.05, 20.0),
    prior=st.sampled_from(["log_uniform", "half_cauchy", "gamma"]),
)
def test_closed_forms_maximise_the_posterior(mass, entries, eta, prior):
    """log p(slice | λ) + log p(λ) falls on both sides of the closed form."""

    def log_posterior(variance: float) -> float:
        likelihood = -0.5 * (mass / variance + entries * math.log(variance))
        if prior == "log_uniform":  # p(sqrt λ) ~ 1/sqrt λ, as a density of λ: λ^(-1/2)
            return likelihood - 0.5 * math.log(variance)
        if prior == "half_cauchy":  # sqrt λ half-Cauchy(η), up to the constant
            return likelihood - math.log(1 + variance / eta**2)
        return likelihood - (1 + 1.0) * math.log(variance) - 1e-6 / variance

    best = float(best_variance(prior, torch.tensor(mass, dtype=torch.double), entries, eta))
    assert best > 0
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert log_posterior(best) >= log_posterior(best * factor) - 1e-9 * abs(log_posterior(best))


def test_the_penalty_is_the_negative_log_prior_of_both_neighbours():
    made = layer("ttm")
    prior = RankShrinkage(made)
    total = torch.zeros(())
    for bond, variance in enumerate(prior.variances["weight"]):
        for factor, axis in made.weight.form.bonds[bond].members:
            for r in range(len(variance)):
                piece = made.weight.factors[factor].select(axis, r)
                total = total + 0.5 * (
                    piece.square().sum() / variance[r] + piece.numel() * variance[r].log()
                )
    torch.testing.assert_close(prior.penalty().double(), total.double(), rtol=1e-5, atol=1e-5)


def test_the_last_bond_counts_the_last_core_and_others_one_neighbour_in_the_papers_scope():
    made = layer("ttm")
    prior = RankShrinkage(made, scope="last")
    first, second, third = (f.detach() for f in made.weight.factors)
    inner = first.square().sum((0, 1, 2)) / (first[..., 0].numel() + 1)
    outer = (second.square().sum((0, 1, 2)) + third.square().sum((1, 2, 3))) / (
        second[..., 0].numel() + third[0].numel() + 1
    )
    torch.testing.assert_close(prior.variances["weight"][0].double(), inner)
    torch.testing.assert_close(prior.variances["weight"][1].double(), outer)


@pytest.mark.parametrize("format", FORMATS)
def test_cutting_zero_slices_keeps_the_function(format):
    made = layer(format)
    x = torch.randn(4, 12, dtype=torch.double)
    keep = {}
    with torch.no_grad():
        for number, bond in enumerate(made.weight.form.bonds):
            keep[number] = list(range(1, bond.rank))
            factor, axis = bond.members[0]
            made.weight.factors[factor].select(axis, 0).zero_()
        before = made(x)
        old = made.ranks
        shrink(made.weight, keep)
    assert made.ranks == tuple(r - 1 for r in old)
    assert sum(f.numel() for f in made.weight.factors) == made.weight.form.parameters
    torch.testing.assert_close(made(x), before)


@pytest.mark.parametrize("format", FORMATS)
def test_optimizer_state_is_cut_like_the_factor(format):
    made = layer(format)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    made(torch.randn(4, 12, dtype=torch.double)).square().sum().backward()
    optimizer.step()
    states = {p: {k: v.clone() for k, v in optimizer.state[p].items()} for p in made.parameters()}
    keep = {n: [r for r in range(b.rank) if r != 1] for n, b in enumerate(made.weight.form.bonds)}
    shrink(made.weight, keep, optimizer)
    for number, factor in enumerate(made.weight.factors):
        for name in ("exp_avg", "exp_avg_sq"):
            wanted = states[factor][name]
            for bond, indices in keep.items():
                for member, axis in made.weight.form.bonds[bond].members:
                    if member == number:
                        wanted = wanted.index_select(axis, torch.tensor(indices))
            torch.testing.assert_close(optimizer.state[factor][name], wanted)
    torch.testing.assert_close(optimizer.state[made.bias]["exp_avg"], states[made.bias]["exp_avg"])


def test_training_goes_on_after_a_cut_although_the_last_graph_is_alive():
    made = layer("ttm")
    optimizer = torch.optim.SGD(made.parameters(), lr=0.01, momentum=0.9)
    x = torch.randn(4, 12, dtype=torch.double)
    loss = made(x).square().sum()
    loss.backward()
    optimizer.step()
    shrink(made.weight, {0: [0, 2], 1: [1]}, optimizer)
    before = made.weight.factors[0].detach().clone()
    again = made(x).square().sum()
    again.backward()
    optimizer.step()
    assert made.ranks == (2, 1)
    assert not torch.equal(made.weight.factors[0], before)
    assert loss.grad_fn is not None


def test_the_prior_finds_the_rank_of_the_data_and_records_it():
    x, y = teacher_data()
    torch.manual_seed(0)
    student = nn.Sequential(TTLinear((4, 3), (2, 6), 8, bias=False))
    optimizer = torch.optim.Adam(student.parameters(), lr=0.02)
    prior, history = RankShrinkage(student), RankHistory()
    history.observe(student, 0)
    for step in range(1, 601):
        prior.update()
        loss = functional.mse_loss(student(x), y) + 1e-3 * prior.penalty()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            prior.prune(optimizer)
            history.observe(student, step)
    assert student[0].ranks == (2,)
    assert functional.mse_loss(student(x), y) < 0.02 * y.var()
    assert history.records[0].ranks["0.weight"] == (8,)
    assert history.records[-1].ranks["0.weight"] == (2,)
    sizes = [r.parameters for r in history.records]
    assert sizes == sorted(set(sizes), reverse=True)
    assert history.to_list()[0]["step"] == 0


def test_masks_reach_the_target_size_and_fold_without_changing_the_function():
    x, y = teacher_data()
    torch.manual_seed(0)
    student = nn.Sequential(TTLinear((4, 3), (2, 6), 8, bias=False))
    masks = RankMasks(student, target=2 * 26)
    optimizer = torch.optim.Adam(student.parameters(), lr=0.02)
    for step in range(1, 601):
        loss = functional.mse_loss(student(x), y) + 0.1 * masks.penalty()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        masks.clamp()
        if step % 50 == 0:
            masks.prune(optimizer)
    shrink_to_target(student, 2 * 26, optimizer)
    before = student(x)
    masks.fold()
    torch.testing.assert_close(student(x), before)
    assert sum(p.numel() for p in student.parameters()) == student[0].weight.form.parameters
    assert student[0].weight.form.parameters <= 2 * 26
    assert student[0].ranks == (2,)
    for _ in range(200):
        loss = functional.mse_loss(student(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert functional.mse_loss(student(x), y) < 0.1 * y.var()


@pytest.mark.parametrize("target", [100, 140, 10_000])
def test_shrinking_to_a_target_stays_below_it_with_little_to_spare(target):
    torch.manual_seed(0)
    model = nn.Sequential(TTLinear((4, 7), (4, 4), 5), nn.ReLU(), TTLinear((4, 4), (2, 5), 4))
    whole = sum(p.numel() for p in model.parameters())
    slices = [
        sum(math.prod(w.form.factors[f].shape) // b.rank for f, _ in b.members)
        for _, w in tensorized(model)
        for b in w.form.bonds
    ]
    shrink_to_target(model, target)
    size = sum(p.numel() for p in model.parameters())
    assert size <= max(target, 0)
    assert size > min(target, whole) - max(slices) or size == whole


def test_the_least_important_slice_goes_first():
    made = layer("ttm")
    with torch.no_grad():
        made.weight.factors[0][..., 2] *= 1e-3
    kept = made.weight.factors[0].detach()[..., :2].clone()
    size = sum(p.numel() for p in made.parameters())
    shrink_to_target(made, size - 1)
    assert made.ranks == (2, 2)
    torch.testing.assert_close(made.weight.factors[0].detach(), kept)


def test_mistakes_are_refused():
    made = layer("ttm")
    with pytest.raises(ModelError, match="bonds 0 to 1"):
        shrink(made.weight, {2: [0]})
    for indices in ([], [3], [-1]):
        with pytest.raises(ModelError, match="bond 0 has rank 3"):
            shrink(made.weight, {0: indices})
    with pytest.raises(ModelError, match="nearest is 'log_uniform'"):
        RankShrinkage(made, "log-uniform")
    with pytest.raises(ModelError, match="scope"):
        RankShrinkage(made, scope="first")
    with pytest.raises(ModelError, match="remain at rank 1"):
        shrink_to_target(made, 5)
    with pytest.raises(ModelError, match="size at rank 1"):
        RankMasks(layer("ttm"), 10)


def test_the_prior_grows_linearly():
    assert [warm_up(e, 5, 50) for e in (0, 5, 30, 55, 90)] == [0, 0, 0.5, 1, 1]
