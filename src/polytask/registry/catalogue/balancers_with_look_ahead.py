"""Balancers that evaluate losses at other values of the parameters."""

from polytask.registry.component import ComponentSpec, Range

SPECS: tuple[ComponentSpec, ...] = (
    ComponentSpec(
        "balancer",
        "auto-lambda",
        "polytask.balancing.bilevel.auto_lambda:AutoLambda",
        "weights that lower the primary tasks' losses one step ahead",
        display="Auto-Lambda",
        paper="Liu et al., TMLR 2022",
        needs="a look ahead, two batches",
        cost="four forwards and two backwards",
        memory="4 × all parameters, two graphs",
        state="a weight per task with its optimizer",
        ranges=(Range("lr", 0.00001, 0.001, log=True),),
    ),
    ComponentSpec(
        "balancer",
        "moml",
        "polytask.balancing.bilevel.moml:MOML",
        "weights that lower all tasks' losses one step ahead",
        display="MOML",
        paper="Ye et al., NeurIPS 2021",
        needs="a look ahead, two batches",
        cost="two backwards of the network per task, two forwards",
        memory="2 T × all parameters, two graphs",
        state="a logit per task with its optimizer",
        ranges=(Range("lr", 0.0001, 0.01, log=True),),
    ),
    ComponentSpec(
        "balancer",
        "forum",
        "polytask.balancing.bilevel.forum:FORUM",
        "weights whose minimum lowers all tasks' losses on other batches",
        display="FORUM",
        paper="Ye et al., ECAI 2024",
        needs="a look ahead, two batches",
        cost="one backward of the network per task, five more forwards and backwards",
        memory="T × all parameters, two graphs",
        state="a logit per task with its optimizer, a weight per task",
        ranges=(Range("phi", 0.01, 1.0, log=True),),
    ),
)
