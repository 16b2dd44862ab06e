"""Made queries in several languages, each ten products by eight requests, and others that are no language."""

# ruff: noqa: E501, RUF001
from __future__ import annotations

import random

_MADE = {
    "Thai": (
        "หม้อหุงข้าว เครื่องซักผ้า ตู้เย็น ไมโครเวฟ เครื่องปรับอากาศ พัดลม เครื่องดูดฝุ่น เตารีด กาต้มน้ำ เครื่องล้างจาน",
        "{}ไม่ทำงาน|วิธีทำความสะอาด{}|{}เสียงดัง|{}น้ำรั่ว|ราคา{}|อะไหล่{}|{}ประกันกี่ปี|{}ยี่ห้อไหนดี",
    ),
    "Chinese": (
        "电饭煲 微波炉 洗衣机 冰箱 空调 电风扇 吸尘器 熨斗 热水壶 洗碗机",
        "{}不工作了怎么办|怎么清洗{}|{}声音很大|{}漏水|{}价格|{}配件|{}保修多久|哪个牌子的{}好",
    ),
    "Japanese": (
        "炊飯器 電子レンジ 洗濯機 冷蔵庫 エアコン 扇風機 掃除機 アイロン 電気ケトル 食洗機",
        "{}が動かない|{}の掃除方法|{}がうるさい|{}から水が漏れる|{}の値段|{}の部品|{}の保証期間|おすすめの{}",
    ),
    "Hindi": (
        "चावल_कुकर माइक्रोवेव वॉशिंग_मशीन फ्रिज एयर_कंडीशनर पंखा वैक्यूम_क्लीनर इस्त्री केतली डिशवॉशर",
        "{} काम नहीं कर रहा|{} कैसे साफ करें|{} बहुत आवाज करता है|{} से पानी टपक रहा है|{} की कीमत|{} के पुर्जे|{} की वारंटी"
        "|सबसे अच्छा {}",
    ),
    "Georgian": (
        "ბრინჯის_სახარში მიკროტალღური სარეცხი_მანქანა მაცივარი კონდიციონერი ვენტილატორი მტვერსასრუტი უთო ჩაიდანი ჭურჭლის_სარეცხი",
        "{} არ მუშაობს|როგორ გავწმინდო {}|{} ხმაურობს|{} წყალი ჟონავს|{} ფასი|{} ნაწილები|{} გარანტია|საუკეთესო {}",
    ),
    "Russian": (
        "рисоварка микроволновка стиральная_машина холодильник кондиционер вентилятор пылесос утюг чайник посудомойка",
        "{} не работает|как почистить {}|{} шумит|{} течет|цена {}|запчасти {}|гарантия на {}|лучший {}",
    ),
    "Greek": (
        "ψυγείο κλιματιστικό ανεμιστήρας σίδερο βραστήρας φούρνος πλυντήριο μίξερ τοστιέρα καφετιέρα",
        "{} δεν λειτουργεί|πώς να καθαρίσω {}|{} κάνει θόρυβο|{} στάζει νερό|τιμή {}|ανταλλακτικά {}|εγγύηση {}|καλύτερο {}",
    ),
    "Arabic": (
        "ميكروويف غسالة ثلاجة مروحة مكواة غلاية خلاط فرن محمصة طباخ",
        "{} لا يعمل|كيفية تنظيف {}|{} صوت عالي|تسرب الماء من {}|سعر {}|قطع غيار {}|ضمان {}|أفضل {}",
    ),
    "Korean": (
        "전기밥솥 전자레인지 세탁기 냉장고 에어컨 선풍기 청소기 다리미 전기주전자 식기세척기",
        "{} 작동 안 함|{} 청소 방법|{} 소음이 심해요|{} 물이 새요|{} 가격|{} 부품|{} 보증 기간|{} 추천",
    ),
    "German": (
        "reiskocher mikrowelle waschmaschine kühlschrank klimaanlage ventilator staubsauger bügeleisen wasserkocher spülmaschine",
        "{} geht nicht an|{} reinigen|{} laut|{} undicht|{} preis|{} ersatzteile|{} garantie|bester {} test",
    ),
    "English": (
        "rice_cooker microwave washing_machine fridge air_conditioner fan vacuum_cleaner iron kettle dishwasher",
        "{} does not work|how to clean a {}|{} is loud|{} leaks water|{} price|{} spare parts|{} warranty|best {}",
    ),
}
UNREADABLE = ("Thai", "Chinese", "Japanese", "Hindi", "Georgian", "emoji")
SPELLED = ("Russian", "Greek", "Arabic", "Korean")
READABLE = ("English", "German", "codes", "ids", "emoji beside words")


def made(name: str) -> list[str]:
    """Eighty distinct queries of a language, or as many that are none."""
    rng = random.Random(name)
    if name == "emoji":
        return sorted({"".join(rng.choices("😀🥶🔥🍕🚗💡📱🎉🐶🧊🧹🍚🧺🪥", k=rng.randint(1, 4))) for _ in range(80)})
    if name == "codes":
        return [f"{rng.choice('ABKX')}{rng.choice('NQRT')}-{rng.randint(1000, 99999)}/{row}" for row in range(80)]
    if name == "ids":
        return [f"{rng.getrandbits(128):032x}" for _ in range(80)]
    if name == "emoji beside words":
        return [f"{query} {rng.choice('😀🔥📱')}" for query in made("English")]
    products, requests = _MADE[name]
    return [
        request.format(product.replace("_", " ")) for product in products.split() for request in requests.split("|")
    ]
