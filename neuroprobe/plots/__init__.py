"""Pictures of results: one function a picture, each takes a result and an optional ``ax``."""

from neuroprobe.plots.ablation_curves import ablation_curves, class_damage, impact_by_layer
from neuroprobe.plots.class_overview import class_overview, preferred_classes
from neuroprobe.plots.class_profile import class_profile
from neuroprobe.plots.development import accuracy_by_epoch, development, development_map, development_overview
from neuroprobe.plots.first_layer_filters import first_layer_filters
from neuroprobe.plots.frequency_by_orientation import frequency_by_orientation
from neuroprobe.plots.importance import importance_agreement, importance_by_layer, importance_overview
from neuroprobe.plots.index_by_layer import index_by_layer
from neuroprobe.plots.index_distribution import index_distribution
from neuroprobe.plots.overview import overview
from neuroprobe.plots.preferred_orientations import preferred_orientations
from neuroprobe.plots.selectivity_against_impact import selectivity_against_impact
from neuroprobe.plots.shift_invariance import (
    cosines_by_layer,
    decisions_by_shift,
    pearson_by_shift,
    shift_compared,
    shift_overview,
)
from neuroprobe.plots.stimulus_sheet import stimulus_sheet
from neuroprobe.plots.sweep import accuracy_against_selectivity, by_alpha, sweep_overview
from neuroprobe.plots.top_images import top_images
from neuroprobe.plots.training_history import training_history
from neuroprobe.plots.tuning_curves import tuning_curves
from neuroprobe.plots.unit_impact import (
    class_damage_by_unit,
    unit_accuracy_by_layer,
    unit_impact_by_layer,
    unit_impact_overview,
)

__all__ = [
    "ablation_curves",
    "accuracy_against_selectivity",
    "accuracy_by_epoch",
    "by_alpha",
    "class_damage",
    "class_damage_by_unit",
    "class_overview",
    "class_profile",
    "cosines_by_layer",
    "decisions_by_shift",
    "development",
    "development_map",
    "development_overview",
    "first_layer_filters",
    "frequency_by_orientation",
    "impact_by_layer",
    "importance_agreement",
    "importance_by_layer",
    "importance_overview",
    "index_by_layer",
    "index_distribution",
    "overview",
    "pearson_by_shift",
    "preferred_classes",
    "preferred_orientations",
    "selectivity_against_impact",
    "shift_compared",
    "shift_overview",
    "stimulus_sheet",
    "sweep_overview",
    "top_images",
    "training_history",
    "tuning_curves",
    "unit_accuracy_by_layer",
    "unit_impact_by_layer",
    "unit_impact_overview",
]
